"""Intervals, p-values and verdicts beside planted effects, scipy, and hand computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ganatomy.experiments.claims.claims import Look, decide, parse
from ganatomy.metrics.differences.statistics import Estimate, estimate, holm

STUDIES, SEEDS, SUBJECTS = 500, 3, 40
CLAIMS = [parse("gan.test/dice > unet.test/dice", 0.0)]


def studies(effect: float, seed_spread: float, noise: float = 1.0) -> list[str]:
    """Verdicts of simulated studies: differences of crossed seeds and subjects around the true effect."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(STUDIES):
        seeds, subjects = rng.normal(size=(SEEDS, 1)), rng.normal(size=(1, SUBJECTS))
        rest = rng.normal(size=(SEEDS, SUBJECTS))
        table = effect + seed_spread * seeds + subjects + noise * rest
        found.append(decide(CLAIMS, [Look([estimate(table)], [True])])[0].word)
    return found


@pytest.mark.parametrize("seed_spread", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_no_effect_is_called_supported_in_at_most_one_study_of_twenty(
    seed_spread: float, noise: float
) -> None:
    assert studies(0.0, seed_spread, noise).count("supported") <= 0.05 * STUDIES


@pytest.mark.parametrize(("seed_spread", "effect"), [(0.0, 0.8), (0.1, 1.0), (0.3, 2.0)])
def test_an_effect_of_the_size_the_study_is_made_for_is_found(seed_spread: float, effect: float) -> None:
    words = studies(effect, seed_spread)
    assert words.count("supported") >= 0.9 * STUDIES
    assert studies(-effect, seed_spread).count("not supported") >= 0.9 * STUDIES


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Three seeds whose networks differ; a bootstrap over three would hold it far too seldom."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(STUDIES):
        table = 0.5 + rng.normal(size=(SEEDS, 1)) + 0.5 * rng.normal(size=(SEEDS, SUBJECTS))
        low, high = estimate(table).interval()
        held += low <= 0.5 <= high
    assert 0.92 <= held / STUDIES <= 0.98


def test_one_seed_is_a_paired_t_test() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = rng.normal(0.3, 1, 25), rng.normal(0, 1, 25)
    found = estimate((ours - theirs)[None])
    reference = stats.ttest_rel(ours, theirs)
    assert min(found.above(0), found.below(0)) == pytest.approx(reference.pvalue)
    assert found.interval() == pytest.approx(tuple(reference.confidence_interval(0.95)))


def test_seeds_alone_are_a_paired_t_test_too() -> None:
    gaps = np.array([0.8, 1.1, 0.6])
    reference = stats.ttest_1samp(gaps, 0)
    for found in (estimate(gaps), estimate(np.repeat(gaps[:, None], 5, axis=1))):  # five subjects who agree
        assert found.above(0) == pytest.approx(reference.pvalue)
        assert found.interval() == pytest.approx(tuple(reference.confidence_interval(0.95)))


@pytest.mark.parametrize(
    "variances", [(0.04, 0.0), (0.0, 0.04), (0.03, 0.01), (1e-9, 0.04), (1e9, 0.04)], ids=str
)
@pytest.mark.parametrize("reached", [1e-9, 0.5, 1.0, 2.5, 5.0])
def test_p_is_the_level_at_which_the_interval_ends(variances: tuple[float, float], reached: float) -> None:
    """At a distance from the mean in standard errors."""
    found = Estimate(0.3, tuple(zip(variances, (2.0, 39.0), strict=True)), 3, 40)
    low = found.mean - reached * found.error
    assert found.interval(found.above(low))[0] == pytest.approx(low)
    assert found.below(found.mean + reached * found.error) == pytest.approx(found.above(low))


def test_over_subjects_it_is_the_bootstraps_error() -> None:
    """Seeds that agree leave the subjects: scipy draws them again and again, whole columns at a time."""
    rng = np.random.default_rng(3)
    table = np.repeat(rng.normal(size=(1, 60)), 3, axis=0) + 1e-6 * rng.normal(size=(3, 60))
    drawn = stats.bootstrap(
        tuple(table),
        lambda *rows, axis: np.mean(rows, (0, axis)),
        paired=True,
        n_resamples=4000,
        rng=rng,
        method="basic",
    )
    known = drawn.standard_error * (60 / 59) ** 0.5
    assert estimate(table).error == pytest.approx(known, rel=0.04)


def test_cases_of_one_subject_do_not_count_as_many() -> None:
    """Ten like cases of each of six subjects say what the six say; unlike counts are weighed by case."""
    rng = np.random.default_rng(4)
    table = rng.normal(size=(3, 6))
    many = estimate(np.repeat(table, 10, axis=1), np.repeat(np.arange(6), 10).tolist())
    assert (many.mean, many.error, *many.interval()) == pytest.approx(
        (estimate(table).mean, estimate(table).error, *estimate(table).interval())
    )
    cases = rng.normal(size=(1, 7))
    owners = [0, 0, 0, 0, 1, 1, 2]
    found = estimate(cases, owners)
    sums = np.array([(cases[0, np.array(owners) == s] - cases.mean()).sum() for s in range(3)])
    assert found.mean == pytest.approx(cases.mean())  # of cases, not of subjects
    assert found.error == pytest.approx((3 / 2 * (sums**2).sum()) ** 0.5 / 7)  # Cochran 1977, 6.4


def test_of_equal_differences_only_their_side_is_told() -> None:
    found = estimate(np.full((3, 5), 0.2))
    assert found.above(0) < 1e-9 and found.below(0) == 1 and found.interval() == pytest.approx((0.2, 0.2))
    assert estimate(np.zeros((3, 5))).above(0) == 1


def test_holm_by_hand() -> None:
    """0.01 times 4, 0.02 times 3, 0.03 times 2, 0.04 times 1, and none below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def known(mean: float, error: float = 0.1) -> Estimate:
    return Estimate(mean, ((error**2, 1e9),), 3, 50)


@pytest.mark.parametrize(
    ("text", "margin", "mean", "word"),
    [
        ("a.x > b.x", 0.0, 0.3, "supported"),
        ("a.x > b.x", 0.0, 0.15, "undecided"),
        ("a.x > b.x", 0.0, -0.3, "not supported"),
        ("a.x < b.x", 0.0, -0.3, "supported"),
        ("a.x > b.x", 0.4, 0.3, "undecided"),  # beyond chance, less than asked for, but perhaps not
        ("a.x > b.x", 0.6, 0.3, "not supported"),  # there, and surely less than asked for
        ("a.x ~ b.x", 0.5, 0.2, "supported"),
        ("a.x ~ b.x", 0.5, 0.4, "undecided"),
        ("a.x ~ b.x", 0.5, -0.9, "not supported"),
    ],
)
def test_verdicts(text: str, margin: float, mean: float, word: str) -> None:
    """With an error of 0.1 what is 0.196 away is beyond chance."""
    assert decide([parse(text, margin)], [Look([known(mean)], [True])])[0].word == word


def test_many_claims_need_more() -> None:
    """p = 0.023 alone is beyond chance, among three such it is not."""
    claim, found = parse("a.x > b.x", 0.0), known(0.2275)
    assert decide([claim], [Look([found], [True])])[0].word == "supported"
    assert {v.word for v in decide([claim] * 3, [Look([found] * 3, [True] * 3)])} == {"undecided"}


def test_no_verdict_falls_before_every_seed_is_run_or_on_two() -> None:
    claim = parse("a.x > b.x", 0.0)
    assert decide([claim], [Look([known(1.0)], [False])])[0].word == "undecided"
    assert decide([claim], [Look([Estimate(1.0, ((1e-4, 50.0),), 2, 50)], [True])])[0].word == "undecided"
