"""Reliability of probabilities: how often that comes true which was given a probability, bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ganatomy.metrics.finite import refuse_not_finite

BINS = 15
"""Bins of equal width, as in Guo et al. (2017)."""
PART = 2**22
"""Probabilities that are sorted into bins at once, eight bytes each."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Sums of probabilities and outcomes by bin; those of several cases are added.

    Bin m holds the probabilities in (edge m, edge m + 1], the first also its lower edge (Guo et al., "On
    calibration of modern neural networks", ICML 2017, arXiv 1706.04599, section 2). `outcome` is 1 where that
    which had the probability came true: for top-label calibration the probability is that of the class that
    was answered, and the outcome says that the answer is right; for a binary question the probability is that
    of "yes"; for boxes it is the score, and the outcome says that the box matches an object.

    Attributes:
        edges: Edges of the bins, ascending from 0 to 1, [bins + 1].
        count: Probabilities in each bin, [bins].
        probability: Their sum, [bins].
        outcome: Sum of their outcomes, [bins].

    Example:
        >>> one = Reliability.of([0.1, 0.9, 0.8], [0, 1, 0], bins=2)
        >>> round(one.ece, 4), one.count.tolist()
        (0.2667, [1.0, 2.0])
        >>> (one + one).ece == one.ece
        True
    """

    edges: np.ndarray
    count: np.ndarray
    probability: np.ndarray
    outcome: np.ndarray

    @classmethod
    def of(
        cls, probability: ArrayLike, outcome: ArrayLike, bins: int | Sequence[float] = BINS
    ) -> Reliability:
        """Sort probabilities into bins.

        Args:
            probability: Probabilities of any shape.
            outcome: 0 or 1 (or a share in between) for each of them.
            bins: Number of bins of equal width, or the edges of the bins, ascending from 0 to 1.

        Raises:
            ValueError: If the shapes differ, a probability is outside [0, 1] or not finite, or the edges do
                not ascend from 0 to 1.
        """
        edges = bin_edges(bins)
        given, came = np.asarray(probability).ravel(), np.asarray(outcome).ravel()
        if given.shape != came.shape:
            raise ValueError(f"{given.size} probabilities and {came.size} outcomes: give one for each")
        sums = np.zeros((3, len(edges) - 1))
        for start in range(0, given.size, PART):
            part = given[start : start + PART].astype(np.float64)
            refuse_not_finite("reliability", part)
            if part.min() < 0 or part.max() > 1:
                raise ValueError(f"probabilities from {part.min():g} to {part.max():g} are outside [0, 1]")
            place = np.maximum(np.searchsorted(edges, part, side="left") - 1, 0)
            weights = (None, part, came[start : start + PART].astype(np.float64))
            sums += [np.bincount(place, weight, len(edges) - 1) for weight in weights]
        return cls(edges, *sums)

    def __add__(self, other: Reliability) -> Reliability:
        """Return the sums over both.

        Raises:
            ValueError: If their bins differ.
        """
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("these were sorted into other bins; use the same edges for all cases")
        ours, theirs = ((r.count, r.probability, r.outcome) for r in (self, other))
        return Reliability(self.edges, *(a + b for a, b in zip(ours, theirs, strict=True)))

    @property
    def confidence(self) -> np.ndarray:
        """Return the mean probability of each bin, [bins]; NaN where there is none."""
        return self._mean(self.probability)

    @property
    def frequency(self) -> np.ndarray:
        """Return the share that came true of each bin, [bins]; NaN where there is none."""
        return self._mean(self.outcome)

    def _mean(self, total: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.full(len(self.count), np.nan)
        np.divide(total, self.count, out=found, where=self.count > 0)
        return found

    @property
    def ece(self) -> float:
        """Return the expected calibration error, Guo et al. eq. 3; NaN without a probability.

        It is the mean over all probabilities of |frequency - confidence| of their bin.
        """
        return self._over_bins(np.abs(self.outcome - self.probability).sum())

    @property
    def mce(self) -> float:
        """Return the largest |frequency - confidence| of a bin (Guo et al. eq. 5); NaN without any."""
        gaps = np.abs(self.frequency - self.confidence)
        return float(np.nanmax(gaps)) if self.count.any() else float("nan")

    @property
    def overconfidence(self) -> float:
        """Return mean probability minus mean outcome: above 0 the probabilities promise too much."""
        return self._over_bins(self.probability.sum() - self.outcome.sum())

    def _over_bins(self, total: float) -> float:
        number = self.count.sum()
        return float(total / number) if number else float("nan")


def bin_edges(bins: int | Sequence[float]) -> np.ndarray:
    """Return the edges of the bins, [bins + 1]; ValueError unless they ascend from 0 to 1.

    Example:
        >>> bin_edges(4).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    edges = np.linspace(0, 1, bins + 1) if isinstance(bins, int) else np.asarray(bins, np.float64)
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
        raise ValueError(f"bins: {bins}; give 1 or more, or edges that ascend from 0 to 1")
    return edges


def brier(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Return the Brier score: the mean over pixels of the squared error of the probabilities.

    Brier, Mon. Weather Rev. 78 (1950) 1: Σₖ (pₖ - yₖ)², summed over all classes. Of two classes it is
    (p₁ - y₁)², half of that sum, as it is commonly stated for a binary question (scikit-learn does the same).

    Args:
        probabilities: Probabilities of K classes, [K, *spatial].
        truth: Class numbers, [*spatial].

    Returns:
        The score, 0 (best) to 1 (two classes) or 2 (more); NaN without a pixel.
    """
    given = np.asarray(probabilities)
    classes = len(given)
    given, true = given.reshape(classes, -1), np.asarray(truth).ravel()
    total = 0.0
    for start in range(0, true.size, PART):
        part = given[:, start : start + PART].astype(np.float64)
        refuse_not_finite("brier", part)
        right = np.take_along_axis(part, true[None, start : start + PART].astype(np.int64), 0)
        total += float((part**2).sum() - 2 * right.sum() + right.size)
    return total / (2 if classes == 2 else 1) / true.size if true.size else float("nan")
