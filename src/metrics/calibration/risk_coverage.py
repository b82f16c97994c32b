"""Risk against coverage: what errors remain if the most doubtful answers are left to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from ganatomy.metrics.calibration.reliability import PART
from ganatomy.metrics.finite import refuse_not_finite


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Risk-coverage curve and the areas below it.

    Attributes:
        coverage: Share of the answers that are kept, ascending to 1, [points]; the least doubtful are kept.
        risk: Mean loss of those kept, [points].
        aurc: Area under the curve: the mean risk over all coverages. Lower is better.
        excess: `aurc` minus that of the best order, in which doubt ranks answers as their losses do.
    """

    coverage: np.ndarray
    risk: np.ndarray
    aurc: float
    excess: float

    def at(self, coverage: float) -> float:
        """Return the risk if at least this share is kept; NaN on an empty curve."""
        index = int(np.searchsorted(self.coverage, coverage - 1e-12))
        return float(self.risk[min(index, len(self.risk) - 1)]) if len(self.risk) else float("nan")


def risk_coverage(doubt: ArrayLike, loss: ArrayLike, count: ArrayLike | None = None) -> RiskCoverage:
    """Return the curve of answers with a doubt and a loss each.

    Geifman, Uziel, El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR 2019
    (arXiv 1805.08206): AURC is the mean over k of the mean loss of the k least doubtful answers, excess AURC
    what is above the AURC of the best order. Equal doubts stand in no order: the area is the mean over all
    orders of them, exactly.

    Args:
        doubt: Doubt of each answer, any unit, [n].
        loss: Loss of each answer, such as 1 - Dice, [n]; answers whose loss is NaN (undefined) are left out.
        count: Number of answers that each entry stands for, [n]; default 1.

    Raises:
        ValueError: If the sizes differ, or a doubt of an answer with a loss is not finite.

    Example:
        >>> curve = risk_coverage([0.1, 0.2, 0.9], [0.0, 0.3, 0.6])
        >>> [round(float(r), 3) for r in curve.risk], round(curve.aurc, 4), curve.excess
        ([0.0, 0.15, 0.3], 0.15, 0.0)
    """
    doubts, losses = (np.asarray(values, np.float64).ravel() for values in (doubt, loss))
    counts = np.ones(len(losses)) if count is None else np.asarray(count, np.float64).ravel()
    if not len(doubts) == len(losses) == len(counts):
        raise ValueError(
            f"{len(doubts)} doubts, {len(losses)} losses, {len(counts)} counts: give one for each"
        )
    kept = ~np.isnan(losses) & (counts > 0)
    doubts, losses, counts = doubts[kept], losses[kept], counts[kept]
    refuse_not_finite("doubt", doubts)
    refuse_not_finite("loss", losses)
    if not len(losses):
        return RiskCoverage(np.empty(0), np.empty(0), float("nan"), float("nan"))
    number, total = _grouped(doubts, losses, counts)
    area = _area(number, total)
    best = _area(*_grouped(losses, losses, counts))
    kept_number = np.cumsum(number)
    return RiskCoverage(kept_number / kept_number[-1], np.cumsum(total) / kept_number, area, area - best)


def _grouped(key: np.ndarray, loss: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (answers, sum of their losses) of each distinct key, ascending."""
    _, place = np.unique(key, return_inverse=True)
    return np.bincount(place, count), np.bincount(place, count * loss)


def _area(number: np.ndarray, total: np.ndarray) -> float:
    """Return the mean over k of the mean loss of the first k; within a group each has the group's mean m.

    With N answers of loss L before a group, Σⱼ (L + j m) / (N + j) over its n answers is
    n m + (L - m N) (ψ(N + n + 1) - ψ(N + 1)).
    """
    mean = total / number
    before, lost = np.cumsum(number) - number, np.cumsum(total) - total
    harmonic = digamma(before + number + 1) - digamma(before + 1)
    return float((total + (lost - mean * before) * harmonic).sum() / number.sum())


class DoubtBins:
    """Right and wrong pixels of many cases by their doubt, without keeping a pixel.

    Doubts are sorted into bins of equal width from 0 to `highest`; those of one bin count as equal.

    Args:
        highest: Largest doubt that is possible, such as ln K for the entropy of K classes in nats.
        bins: Number of bins.
    """

    def __init__(self, highest: float = 1.0, bins: int = 1000) -> None:
        self.highest, self.counts = highest, np.zeros((bins, 2))

    def update(self, doubt: ArrayLike, wrong: ArrayLike) -> None:
        """Add the pixels of a case.

        Args:
            doubt: Doubt of each pixel, any shape; what is above `highest` falls into the last bin.
            wrong: True where the answer is wrong, same shape.

        Raises:
            ValueError: If a doubt is not finite.
        """
        doubts, errors = np.asarray(doubt).ravel(), np.asarray(wrong, bool).ravel()
        bins = len(self.counts)
        for start in range(0, doubts.size, PART):
            part = doubts[start : start + PART].astype(np.float64)
            refuse_not_finite("doubt", part)
            place = np.clip(part / self.highest * bins, 0, bins - 1).astype(np.int64)
            flat = np.bincount(2 * place + errors[start : start + PART], minlength=2 * bins)
            self.counts += flat.reshape(bins, 2)

    def curve(self) -> RiskCoverage:
        """Return the risk-coverage curve of all pixels; the loss of a wrong one is 1."""
        middle = (np.arange(len(self.counts)) + 0.5) * self.highest / len(self.counts)
        losses: Sequence[float] = (0.0, 1.0)
        return risk_coverage(np.repeat(middle, 2), np.tile(losses, len(middle)), self.counts)
