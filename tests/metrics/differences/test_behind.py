"""Who is behind whom: planted scores, intervals against SciPy, and words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ganatomy.metrics.differences.behind import RUN, TWIN, paired, standing
from ganatomy.metrics.differences.naming import distinct, named
from ganatomy.metrics.differences.trend import trend


def rows(values: Any, score: str = "psnr", subjects: Any = None) -> list[dict[str, Any]]:
    owners = range(len(values)) if subjects is None else subjects
    return [
        {"case": f"c{n}", "subject": s, score: v} for n, (v, s) in enumerate(zip(values, owners, strict=True))
    ]


@pytest.mark.parametrize(
    ("score", "ours", "theirs", "behind"),
    [
        ("psnr", 31.35, 32.7, True),
        ("psnr", 32.71, 32.7, False),
        ("mae", 3.0, 2.0, True),  # lower is better
        ("mae", 2.0, 3.0, False),
        ("swd", 20.0, 10.0, True),
        ("psnr", math.nan, 32.7, False),
        ("psnr", 31.0, math.nan, False),
        ("psnr", 31.0, None, False),
        ("psnr", 31.0, math.inf, False),
        ("checkerboard", 1.0, 2.0, False),  # neither direction is better
        ("unheard_of", 1.0, 2.0, False),
    ],
)
def test_planted_scores(score: str, ours: float, theirs: float | None, behind: bool) -> None:
    found = standing({f"test/{score}": ours, f"baseline/tv/{score}": theirs}, score)
    assert [(one.than, one.level) for one in found] == ([("tv", False)] if behind else [])


def test_a_run_alone_is_behind_nobody() -> None:
    assert standing({"test/psnr": 1.0}, "psnr") == []
    assert standing({"baseline/tv/psnr": 1.0}, "psnr") == []
    assert standing({}, "psnr") == []
    assert standing({"test/psnr": 1.0, "baseline/tv/ssim": 2.0, "floor/psnr": 9.0}, "psnr") == []


def test_equal_scores_are_level() -> None:
    (one,) = standing({"test/psnr": 30.0, "baseline/tv/psnr": 30.0}, "psnr")
    assert one.level and one.missing == 0
    assert one.words() == "level with total variation (tv): PSNR 30.00 beside 30.00 dB (one run)"


def test_the_best_baseline_is_named_and_the_others_are_counted() -> None:
    """The run itself in other ways is no baseline; classes are other scores."""
    scores = {
        "test/dice": 0.5,
        "test/dice/gm": 0.9,
        "baseline/otsu/dice": 0.7,
        "baseline/mean_label/dice": 0.6,
    }
    scores |= {"baseline/ungated/dice": 0.99, "baseline/otsu/dice/gm": 1.0, "baseline/old/dice": 0.1}
    (one,) = standing(scores, "dice")
    assert (one.than, one.more) == ("otsu", 1)
    assert one.words() == "behind Otsu's thresholds (otsu) and 1 more baseline: Dice 0.500 of 0.700 (one run)"
    (one,) = standing({"test/mae": 5.0, "baseline/a/mae": 3.0, "baseline/b/mae": 2.0}, "mae")
    assert (one.than, one.more) == ("b", 1)


def test_the_twin_is_compared_both_ways() -> None:
    scores = {"test/psnr": 31.0, "twin/psnr": 32.0, "baseline/tv/psnr": 33.0}
    found = standing(scores, "psnr")
    assert [(one.who, one.than) for one in found] == [(RUN, "tv"), (RUN, TWIN), (TWIN, "tv")]
    assert found[1].words() == "behind its twin without a discriminator: PSNR 31.00 of 32.00 dB (one run)"
    assert found[2].words().startswith("the twin without a discriminator is behind total variation (tv): ")
    assert standing({**scores, "test/psnr": 34.0, "twin/psnr": 33.5}, "psnr") == []
    assert [one.who for one in standing({**scores, "test/psnr": 34.0}, "psnr")] == [TWIN]


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(30, 2, 12), rng.normal(30.5, 2, 12)
    gap = float(ours.mean() - theirs.mean())
    interval, subjects = paired("psnr", rows(ours), rows(theirs), gap)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert subjects == 12
    np.testing.assert_allclose(interval, expected)


@pytest.mark.parametrize("shift", [-0.05, -3.0])
def test_a_small_difference_is_level_and_a_large_one_is_behind(shift: float) -> None:
    noise = np.random.default_rng(1).normal(0, 1, 10)
    noise -= noise.mean()
    theirs = np.full(10, 30.0)
    ours = theirs + noise + shift
    scores = {"test/psnr": float(ours.mean()), "baseline/tv/psnr": 30.0}
    (one,) = standing(scores, "psnr", {RUN: rows(ours), "tv": rows(theirs)})
    assert one.level == (shift > -1)
    assert (
        one.words().startswith("level with" if one.level else "behind") and "over 10 subjects" in one.words()
    )


def test_cases_of_a_subject_stay_together() -> None:
    """Twelve cases of three subjects are too few for an interval."""
    values = np.linspace(20, 21, 12)
    scores = {"test/psnr": 20.5, "baseline/tv/psnr": 21.5}
    owners = [n % 3 for n in range(12)]
    (one,) = standing(
        scores, "psnr", {RUN: rows(values, subjects=owners), "tv": rows(values + 1, subjects=owners)}
    )
    assert one.low is None and one.subjects == 3
    assert one.words().endswith("PSNR 20.50 of 21.50 dB (one run, 3 test subjects)")


def test_rows_that_do_not_give_the_score_give_no_interval() -> None:
    """Of a mean over classes, or of the whole set; and cases without a value are left out."""
    values = np.linspace(20, 21, 8)
    assert paired("psnr", rows(values), rows(values + 1), gap=-7.0) == (None, 8)
    assert paired("dice", rows(values), rows(values), gap=-1.0) == (None, 8)
    hollow = [*values[:6], math.nan, None]
    interval, subjects = paired("psnr", rows(hollow), rows(values + 1), gap=-1.0)
    assert subjects == 6 and interval == pytest.approx((-1, -1))


def test_words_have_the_unit_of_distances_and_numbers_that_differ() -> None:
    (one,) = standing({"test/hd95": 3.001, "baseline/otsu/hd95": 3.0}, "hd95")
    assert "HD95 3.001 of 3.000 px" in one.words("px") and "mm" in one.words()
    assert distinct(1.0, 1.0, 2) == ("1.00", "1.00")
    assert distinct(1.0, 1.0 + 1e-9, 2)[0] == "1.00000"
    assert named("mean_label") == "mean label"


CLIMB = [(20, 28.0), (40, 29.0), (60, 29.4)]


def test_still_rising_by_the_stated_rule() -> None:
    """The best of the last third is better than the best before by more than a tenth of what is missing."""
    found = trend("psnr", CLIMB, 60)
    assert found.gain == pytest.approx(0.4)
    assert found.rising(3.9) and not found.rising(4.1)
    words = found.words(missing=1.0)
    assert words.startswith("60 steps: the validation score was still rising (+0.40 dB since step 40): ")
    assert words.endswith("more steps (trainer.max_steps=170)")  # 60 · exp(1.0 / 0.4 · ln 1.5) = 165.3
    sparse = trend("psnr", [(30, 29.0), (60, 29.4)], 60)  # 60 · exp(1.0 / 0.4 · ln 2) = 339
    assert "(+0.40 dB since step 30)" in sparse.words(1.0) and sparse.wanted(1.0) == 340
    assert "max_steps=600" in found.words(missing=3.9) and "max_steps=120" in found.words(missing=0.0)
    assert "no longer rising" in trend("psnr", [*CLIMB[:2], (60, 28.9)], 60).words(missing=0.0)


def test_a_slow_rise_is_no_standstill() -> None:
    """Less than a tenth of what is missing, but still more than before; 0.004 dB are none of two decimals."""
    words = trend("psnr", CLIMB, 60).words(missing=10.0)
    assert words == (
        "60 steps: the validation score was rising slowly (+0.40 dB since step 40): more steps alone will "
        "hardly do"
    )
    assert "was falling slowly" in trend("mae", [(20, 9.0), (60, 8.5)], 60).words(missing=6.0)
    ended = trend("psnr", CLIMB, 60, rate=0.01).words(missing=10.0)
    assert "rising slowly (+0.40 dB since step 40), as the learning rate had ended" in ended
    assert "no longer rising (+0.00 dB" in trend("psnr", [*CLIMB[:2], (60, 29.004)], 60).words(missing=1.0)


def test_lower_is_better_falls() -> None:
    found = trend("mae", [(20, 9.0), (40, 8.0), (60, 7.0)], 60)
    assert found.gain == 1 and "still falling (-1.00 since step 40)" in found.words(missing=2.0)


def test_a_flat_end_at_no_learning_rate_is_said_to_be_one() -> None:
    flat = [(20, 28.0), (40, 29.0), (60, 29.0)]
    assert trend("psnr", flat, 60).words(1.0).endswith("more steps alone will not do")
    words = trend("psnr", flat, 60, rate=0.01).words(1.0)
    assert "as the learning rate had ended" in words
    assert words.endswith("(trainer.max_steps=120)")  # 1 dB from 20 to 40: twice the steps
    assert trend("psnr", flat, 60, rate=0.01).wanted(2.0) == 240
    assert trend("psnr", [(20, 29.0), (60, 28.0)], 60, rate=0.01).wanted(5.0) == 120


@pytest.mark.parametrize("history", [[], [(60, 29.0)], [(20, math.nan), (60, 29.0)], [(20, 1.0), (40, 2.0)]])
def test_too_few_validations_say_nothing(history: list[tuple[int, float]]) -> None:
    words = trend("psnr", history, 60).words(missing=1.0)
    assert (
        words == "60 steps, with too few validations to say if more would help: trainer.val_every=10 shows it"
    )
