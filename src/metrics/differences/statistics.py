"""Test of a difference between two arms, over seeds and test subjects together.

Seeds and subjects are crossed: every seed's network sees the same subjects, as the readers of a study all
read the same cases. So this is the analysis of variance of a multi-reader multi-case study, with seeds for
readers (Obuchowski and Rockette, Commun. Stat. Simul. 24 (1995) 285; Hillis, Stat. Med. 26 (2007) 596).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special
from scipy.optimize import brentq

LEVEL = 0.05
"""Two-sided error rate for all claims of an experiment together."""
TINIEST = 1e-12
"""Smallest p-value that is computed."""
ROUNDING = 1e-6
"""Relative error that the ends of the search for a p-value may have."""


@dataclass(frozen=True)
class Estimate:
    """A mean difference and how sure it is.

    Attributes:
        mean: Mean difference.
        parts: (variance, degrees of freedom) of the terms of its squared error: seeds, then subjects. Empty
            where there is no estimate of it.
        seeds: Number of seeds.
        subjects: Number of subjects.
    """

    mean: float
    parts: tuple[tuple[float, float], ...]
    seeds: int
    subjects: int

    @property
    def error(self) -> float:
        """Standard error; NaN where there is no estimate of it."""
        return sum([variance for variance, _ in self.parts]) ** 0.5 if self.parts else np.nan

    def reach(self, level: float) -> float:
        """Return the half width of the interval of this level, in standard errors.

        Student's t of each part, weighed by the part's variance: rather too wide than too narrow, as three
        seeds say little about their own variance (Cochran, Biometrics 20 (1964) 191).
        """
        whole = sum([variance for variance, _ in self.parts]) or 1.0
        return sum([v / whole * -float(special.stdtrit(freedom, level / 2)) for v, freedom in self.parts])

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return limits that hold the true difference in at least 1 - `level` of all studies."""
        reach = self.reach(level) * self.error
        return self.mean - reach, self.mean + reach

    def above(self, bound: float) -> float:
        """Return twice the one-sided p-value of "the true difference is at most `bound`", at most 1.

        It is the level at which the interval ends at `bound`. As `reach` is a mean over the parts, it lies
        between the p-values of Student's t with the degrees of freedom of each part.
        """
        gap, error = self.mean - bound, self.error
        if not self.parts or gap <= 0:
            return 1.0
        if gap >= self.reach(TINIEST) * error:
            return TINIEST if error else 0.0
        each = [2 * float(special.stdtr(freedom, -gap / error)) for _, freedom in self.parts]
        low = math.log(max(min(each) * (1 - ROUNDING), TINIEST))
        high = math.log(min(max(each) * (1 + ROUNDING), 1.0))
        return math.exp(brentq(lambda x: self.reach(math.exp(x)) - gap / error, low, high))

    def below(self, bound: float) -> float:
        """Return twice the one-sided p-value of "the true difference is at least `bound`", at most 1."""
        return replace(self, mean=-self.mean).above(-bound)


def estimate(differences: np.ndarray, subjects: Sequence[int] | None = None) -> Estimate:
    """Estimate the mean of paired differences and its error.

    With mean squares MS_A of K seeds, MS_B of S subjects and MS_E of their interaction the squared error is
    MS_A / KS + max(MS_B - MS_E, 0) / KS. The first is what a bootstrap over seeds has for a variance when its
    draws are endless, times K / (K - 1), which a bootstrap of few lacks. The second is the same of one over
    subjects, less the interaction, which is in the first already. One seed: over subjects alone, which says
    nothing of other seeds.

    Args:
        differences: [seeds, cases], or [seeds] where a score exists only for the whole test set.
        subjects: Subject of each case, [cases]; cases of a subject stay together. None: each its own.
    """
    table = _by_subject(np.asarray(differences, np.float64), subjects)
    seeds, count = table.shape
    mean = float(table.mean())
    centred = table - mean
    if seeds == 1 or count == 1:
        n = max(seeds, count)
        parts = ((float(centred.var(ddof=1)) / n, n - 1.0),) if n > 1 else ()
        return Estimate(mean, parts, seeds, count)
    rows, columns = centred.mean(1), centred.mean(0)
    rest = centred - rows[:, None] - columns
    over_seeds = count * float(rows @ rows) / (seeds - 1)
    over_subjects = seeds * float(columns @ columns) / (count - 1)
    both = float((rest**2).sum()) / ((seeds - 1) * (count - 1))
    known = ((over_seeds, seeds - 1.0), (max(over_subjects - both, 0.0), count - 1.0))
    return Estimate(mean, tuple((v / (seeds * count), freedom) for v, freedom in known), seeds, count)


def _by_subject(differences: np.ndarray, subjects: Sequence[int] | None) -> np.ndarray:
    """Return [seeds, subjects] with the mean over cases, and the spread of sums over subjects.

    A subject with n cases of N stands in for n / (N / S) of the mean subject: what its cases leave of the
    mean is weighed so (the linearised ratio: Cochran, Sampling Techniques, 1977, chapter 6).
    """
    if differences.ndim == 1:
        return differences[:, None]
    if subjects is None:
        return differences
    owners = np.asarray(subjects)
    names, index = np.unique(owners, return_inverse=True)
    member = np.eye(len(names))[index]
    weight = member.sum(0) * len(names) / len(owners)
    mean = differences.mean()
    table: np.ndarray = mean + (differences @ member / member.sum(0) - mean) * weight
    return table


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several (Holm, Scand. J. Stat. 6 (1979) 65); in the order given."""
    p = np.asarray(values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]
