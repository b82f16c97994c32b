"""Average precision and FROC. Detections of equal score enter together, as they have no order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per image at which FROC is read (LUNA16: Setio et al. 2017)."""
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Steps:
    """Counts among the detections of at least each score.

    Attributes:
        scores: Distinct scores, falling.
        hits: Hits of at least each score.
        false: False positives of at least each score.
    """

    scores: np.ndarray
    hits: np.ndarray
    false: np.ndarray


def steps(scores: np.ndarray, hits: np.ndarray) -> Steps:
    """Count hits and false positives, from scores [N] and hits [N] bool."""
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], hits[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, int)
    return Steps(scores[last], np.cumsum(hits)[last], np.cumsum(~hits)[last])


def average_precision(at: Steps, truths: int) -> float:
    """Return the mean over 101 recalls of the best precision at that recall or above; NaN without truth."""
    if truths == 0:
        return float("nan")
    recall = at.hits / truths
    precision = at.hits / np.maximum(at.hits + at.false, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[place].mean())


def froc(at: Steps, truths: int, images: int, rates: Sequence[float] = RATES) -> np.ndarray:
    """Return the fraction of true boxes found at each rate of false positives per image, at most.

    Args:
        at: Counts by score.
        truths: Number of true boxes.
        images: Number of images.
        rates: Rates of false positives per image.
    """
    if truths == 0 or images == 0:
        return np.full(len(rates), np.nan)
    false = at.false / images
    found = np.append(0, at.hits) / truths
    return found[np.searchsorted(false, np.asarray(rates) + 1e-12, side="right")]


def best_threshold(at: Steps, truths: int) -> float | None:
    """Return the score threshold with the largest F1; None if no detection is a hit.

    It lies halfway to the next lower score; of equal F1 the highest counts.
    """
    if truths == 0 or not len(at.hits) or at.hits[-1] == 0:
        return None
    f1 = 2 * at.hits / (at.hits + at.false + truths)
    place = int(f1.argmax())
    lower = at.scores[place + 1] if place + 1 < len(at.scores) else at.scores[place]
    return float((at.scores[place] + lower) / 2)
