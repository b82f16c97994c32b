"""Seeds that a verdict takes, beside published tables and simulated studies; chances at the last look."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganatomy.experiments.claims.claims import Claim, Look, Word, decide, parse
from ganatomy.experiments.deciding.power import MOST, Spread, chance, power, seeds_for
from ganatomy.metrics.differences.statistics import LEVEL, estimate

MORE = parse("a.x > b.x", 0.0)
LIKE = parse("a.x ~ b.x", 1.0)
FAR = parse("a.x > b.x", 1.0)
STUDIES = 2000


@pytest.mark.parametrize(("size", "seeds"), [(0.5, 34), (0.8, 15), (1.0, 10), (1.5, 6)])
def test_seeds_of_a_paired_t_test_are_those_of_the_tables(size: float, seeds: int) -> None:
    """80 % at 5 % two-sided for a difference of d deviations: G*Power 3.1, means of matched pairs."""
    assert seeds_for(MORE, "supported", size, Spread(1.0, 3), LEVEL) == seeds
    less = parse("a.x < b.x", 0.0)
    assert seeds_for(less, "supported", -size, Spread(1.0, 3), LEVEL) == seeds
    assert seeds_for(MORE, "not supported", -size, Spread(1.0, 3), LEVEL) == seeds
    assert seeds_for(FAR, "not supported", 1 - size, Spread(1.0, 3), LEVEL) == seeds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "word", "mean", "seeds", "spread"),
    [
        (MORE, "supported", 1.2, 8, (1.0, 1.0, 0.5)),
        (MORE, "not supported", -0.9, 6, (0.3, 2.0, 1.0)),
        (FAR, "supported", 1.3, 6, (0.6, 0.3, 0.1)),
        (LIKE, "supported", 0.1, 7, (0.6, 1.0, 0.5)),
        (LIKE, "not supported", 2.0, 6, (0.6, 1.0, 0.5)),
    ],
    ids=str,
)
def test_power_is_the_share_of_simulated_studies(
    claim: Claim, word: Word, mean: float, seeds: int, spread: tuple[float, float, float]
) -> None:
    """The verdicts of studies of crossed seeds and subjects, by the code that decides."""
    rng, (between, subjects, rest), count = np.random.default_rng(1), spread, 30
    tables = mean + between * rng.normal(size=(STUDIES, seeds, 1))
    tables = tables + subjects * rng.normal(size=(STUDIES, 1, count))
    tables = tables + rest * rng.normal(size=(STUDIES, seeds, count))
    words = [decide([claim], [Look([estimate(table)], [True])])[0].word for table in tables]
    true = Spread(between**2 + rest**2 / count, seeds, subjects**2 / count, count - 1.0, count)
    told = power(claim, true.estimate(mean, seeds), LEVEL)[word]
    assert told == pytest.approx(words.count(word) / STUDIES, abs=0.04)


def test_subjects_alone_forbid_a_verdict() -> None:
    """A difference of 0.5 with an error of 0.4 from the subjects stays undecided with any number of seeds."""
    assert seeds_for(MORE, "supported", 0.5, Spread(1.0, 3, 0.16, 80.0, 81), LEVEL) == math.inf
    assert seeds_for(MORE, "supported", 0.5, Spread(1.0, 3, 0.01, 80.0, 81), LEVEL) < 60
    assert seeds_for(MORE, "not supported", 0.5, Spread(1.0, 3), LEVEL) == math.inf
    assert seeds_for(MORE, "supported", 0.01, Spread(1.0, 3), LEVEL) == MOST + 1


def test_the_spread_of_an_estimate_comes_out_of_it_again() -> None:
    rng = np.random.default_rng(2)
    found = estimate(rng.normal(size=(4, 1)) + rng.normal(size=(1, 9)) + 0.3 * rng.normal(size=(4, 9)))
    spread = Spread.of(found)
    assert spread is not None and (spread.seeds, spread.count) == (4, 9)
    again = spread.estimate(found.mean, 4)
    assert again.interval() == pytest.approx(found.interval())
    assert spread.estimate(found.mean, 400).error == pytest.approx(spread.subjects**0.5, rel=0.05)
    assert Spread.of(estimate(rng.normal(size=(1, 9)))) is None
    low, high = Spread(1.0, 3).uncertainty()
    assert (low, high) == pytest.approx((0.5207, 6.2849), rel=1e-3)  # chi-square of two: 7.3778 and 0.05064


@pytest.mark.parametrize("claim", [MORE, FAR, LIKE], ids=str)
@pytest.mark.parametrize("mean", [-0.6, 0.2, 0.7, 1.4])
def test_a_chance_is_the_share_of_futures(claim: Claim, mean: float) -> None:
    """True differences and deviations that five seeds leave open, and eight further seeds of each."""
    seeds = mean + np.array([-0.6, -0.2, 0.0, 0.3, 0.5])
    found, last, level, rng = estimate(seeds), 13, 0.03, np.random.default_rng(3)
    sd = seeds.std(ddof=1)
    true_sd = sd * (4 / rng.chisquare(4, 20000)) ** 0.5  # of one seed, as five seeds leave it open
    truth = mean + true_sd / 5**0.5 * rng.normal(size=20000)
    future = truth + true_sd / 8**0.5 * rng.normal(size=20000)
    end = (5 * mean + 8 * future) / 13
    known = Spread.of(found)
    assert known is not None
    half = known.estimate(mean, last).reach(level) * sd / 13**0.5
    if claim is LIKE:
        happy = (np.abs(end) <= 1 - half) | (np.abs(end) >= 1 + half)
    else:
        margin = 1.0 if claim is FAR else 0.0
        happy = (end >= max(half, margin)) | (end <= margin - half)
    told = chance(claim, found, last, (level, level))
    assert told == pytest.approx(happy.mean(), abs=0.015)


def test_no_chance_without_further_looks_or_spread() -> None:
    found = estimate(np.array([0.3, 0.1, 0.2]))
    assert chance(MORE, found, 3, (LEVEL, LEVEL)) == 0
    assert chance(MORE, estimate(np.zeros(3)), 9, (LEVEL, LEVEL)) == 0  # equal seeds stay so
    assert chance(MORE, estimate(np.full(3, 0.2)), 9, (LEVEL, LEVEL)) == 1
