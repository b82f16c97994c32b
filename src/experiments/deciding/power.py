"""Chances that a claim is decided: with so many seeds, or at the last look."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from ganatomy.experiments.claims.claims import FEWEST, Claim, Word
from ganatomy.metrics.differences.statistics import Estimate

WANTED = 0.8
"""Chance of a verdict, if the difference is as supposed, that a number of seeds must give."""
MOST = 1000
"""Most seeds that are counted."""
FOREVER = 10**9
"""Seeds without end: what is left of the error then is that of the subjects."""


@dataclass(frozen=True)
class Spread:
    """Sources of the error of a difference.

    Attributes:
        seed: Variance between single seeds.
        seeds: Seeds that it is known from.
        subjects: Squared error that these subjects leave with any number of seeds.
        freedom: Degrees of freedom of that part; 0 where there is none.
        count: Number of subjects.
    """

    seed: float
    seeds: int
    subjects: float = 0.0
    freedom: float = 0.0
    count: int = 1

    @classmethod
    def of(cls, found: Estimate) -> Spread | None:
        """Return the spread behind an estimate; None with one seed, which says nothing of others."""
        if found.seeds < 2 or not found.parts:
            return None
        (seed, _), *rest = found.parts
        subjects, freedom = rest[0] if rest else (0.0, 0.0)
        return cls(seed * found.seeds, found.seeds, subjects, freedom, found.subjects)

    def estimate(self, mean: float, seeds: int) -> Estimate:
        """Return the estimate that so many seeds would give, if this is the mean and the spread stays."""
        parts = [(self.seed / seeds, seeds - 1.0)]
        if self.freedom:
            parts.append((self.subjects, self.freedom))
        return Estimate(mean, tuple(parts), seeds, self.count)

    def uncertainty(self) -> tuple[float, float]:
        """Return the factors between which the deviation of single seeds lies, with 95 % (normal seeds)."""
        free = self.seeds - 1
        low, high = (math.sqrt(free / stats.chi2.isf(tail, free)) for tail in (0.025, 0.975))
        return low, high


def power(claim: Claim, supposed: Estimate, level: float) -> dict[Word, float]:
    """Return the chance of each verdict, if the true difference and its error are as supposed.

    From the noncentral t (Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2, 1995,
    chapter 31); the two parts of the error have Satterthwaite's degrees of freedom together (Biometrics Bull.
    2 (1946) 110).

    Args:
        claim: The claim.
        supposed: True difference, left less right, with its error after the seeds in question.
        level: Two-sided level of the claim's test.
    """
    error, reach, mean, margin = supposed.error, supposed.reach(level), supposed.mean, claim.margin
    parts = [(variance, free) for variance, free in supposed.parts if variance]
    freedom = error**4 / sum(variance**2 / free for variance, free in parts) if parts else math.inf

    def beyond(gap: float) -> float:
        """Chance that a gap is found to be above nothing."""
        if not error:
            return float(gap > 0)
        return float(stats.nct.sf(reach, freedom, gap / error)) if gap > 0 else level / 2

    if claim.sign == "~":
        within = max(beyond(margin - mean) + beyond(margin + mean) - 1, 0.0)
        return {"supported": within, "not supported": max(beyond(mean - margin), beyond(-mean - margin))}
    advantage = mean if claim.sign == ">" else -mean
    large = float(stats.norm.cdf((advantage - margin) / error)) if error else float(advantage >= margin)
    yes = min(beyond(advantage), large) if margin else beyond(advantage)
    return {"supported": yes, "not supported": beyond(margin - advantage)}


def seeds_for(claim: Claim, word: Word, mean: float, spread: Spread, level: float) -> float:
    """Return the seeds for this verdict with a chance of 80 %, if the true difference is `mean`.

    Args:
        claim: The claim.
        word: The verdict.
        mean: True difference, left less right.
        spread: Sources of its error.
        level: Two-sided level of the claim's test.

    Returns:
        The smallest number; infinity where no number will do, `MOST` + 1 where it would be more than that.
    """

    def enough(seeds: int) -> bool:
        return power(claim, spread.estimate(mean, seeds), level)[word] >= WANTED

    if not enough(FOREVER):
        return math.inf
    low, high = FEWEST - 1, FEWEST
    while not enough(high):
        if high >= MOST:
            return MOST + 1
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def chance(claim: Claim, found: Estimate, last: int, levels: tuple[float, float]) -> float:
    """Return the chance that the last look decides a claim, judged by the seeds so far.

    This is conditional power (Lan, Simon and Halperin, Commun. Stat. C 1 (1982) 207), averaged over the true
    differences that the seeds so far leave possible (predictive power: Spiegelhalter, Freedman and Blackburn,
    Control. Clin. Trials 7 (1986) 8), with Student's t for their number. Of subjects nothing new is learned.

    Args:
        claim: The claim.
        found: The difference now.
        last: Seeds at the last look.
        levels: Two-sided levels there of the claim and of its contrary.
    """
    spread = Spread.of(found)
    if spread is None or last <= found.seeds:
        return 0.0
    then = spread.estimate(found.mean, last)
    step = math.sqrt(spread.seed * (1 / found.seeds - 1 / last))
    yes, no = (then.reach(level) * then.error for level in levels)
    mean, margin = -found.mean if claim.sign == "<" else found.mean, claim.margin

    def above(bound: float, sign: int = 1) -> float:
        """Chance that the last mean, or its negative, is above a bound."""
        gap = sign * mean - bound
        return float(stats.t.cdf(gap / step, found.seeds - 1)) if step else float(gap > 0)

    if claim.sign == "~":
        within = max(above(yes - margin) + above(yes - margin, -1) - 1, 0.0)
        return within + above(margin + no) + above(margin + no, -1)
    return min(above(max(yes, margin)) + above(no - margin, -1), 1.0)
