"""Ranking of anomalous above healthy by a score: exact areas under curves, with ties counted as ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LIMIT = 0.3
"""False positive rate over the pixels outside lesions up to which AUPRO is integrated."""
DRAWS = 1000
"""Bootstrap draws of `auroc_interval`."""


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the probability that an anomalous image scores above a healthy one, a tie counting half.

    NaN if all images are of one kind.
    """
    return float(_weighted_auroc(scores, truth, np.ones((1, len(scores))))[0])


def auroc_interval(
    scores: np.ndarray, truth: np.ndarray, subjects: Sequence[str], seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the AUROC under a bootstrap over subjects.

    Each subject is drawn with all of its images. Draws without a healthy or without an anomalous image are
    left out.

    Args:
        scores: Score of each image.
        truth: True for anomalous images.
        subjects: Subject of each image.
        seed: Seed of the draws.
        draws: Number of draws.

    Returns:
        The lower and the upper end; NaN if no draw is left.
    """
    names, places = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    if not len(names):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    values = _weighted_auroc(scores, truth, times[:, places].astype(np.float64))
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _weighted_auroc(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the AUROC of each draw, [draws], for weights [draws, images]."""
    if not len(scores):
        return np.full(len(weights), np.nan)
    order = _order(scores)
    firsts = _firsts(scores[order])
    ill = np.asarray(truth, bool)[order]
    positive = np.add.reduceat(weights[:, order] * ill, firsts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~ill, firsts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(1) * negative.sum(1)
    found: np.ndarray = np.full(len(weights), np.nan)
    np.divide((positive * (below + negative / 2)).sum(1), pairs, out=found, where=pairs > 0)
    return found


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return Σ (Rₙ - Rₙ₋₁) Pₙ over the distinct scores, highest first, no interpolation; NaN without any."""
    ill = np.asarray(truth, bool)
    if not ill.any():
        return float("nan")
    order = _order(-scores)
    lasts = _lasts(scores[order])
    found = np.cumsum(ill[order], dtype=np.float64)[lasts]
    return float((np.diff(found, prepend=0.0) * found / (lasts + 1)).sum() / found[-1])


def aupro(scores: np.ndarray, shares: np.ndarray, limit: float = LIMIT) -> float:
    """Return the area under the per-region overlap against the false positive rate, divided by `limit`.

    Bergmann et al., CVPR 2019, 9592. Pixels of equal score enter together, and the curve is linear between
    them.

    Args:
        scores: Score of each pixel.
        shares: 1 over the size of its region for a pixel of a lesion, 0 outside: small lesions count as much
            as large ones.
        limit: False positive rate up to which the curve is integrated.

    Returns:
        The area, 0 to 1; NaN without a lesion or without a pixel outside.
    """
    outside = shares == 0
    if outside.all() or not outside.any():
        return float("nan")
    order = _order(-scores)
    lasts = _lasts(scores[order])
    rate = np.concatenate([[0.0], np.cumsum(outside[order], dtype=np.float64)[lasts] / outside.sum()])
    overlap = np.concatenate([[0.0], np.cumsum(shares[order], dtype=np.float64)[lasts] / shares.sum()])
    # Of several points at the limit the highest counts: they cost no further false positive.
    end = int(np.searchsorted(rate, limit, side="right"))
    if end < len(rate):
        step = (limit - rate[end - 1]) / (rate[end] - rate[end - 1])
        last = overlap[end - 1] + step * (overlap[end] - overlap[end - 1])
        rate, overlap = np.append(rate[:end], limit), np.append(overlap[:end], last)
    return float(np.trapezoid(overlap, rate) / limit)


def _order(scores: np.ndarray) -> np.ndarray:
    """Sort ascending, equal scores in any order; ValueError for NaN, which would rank above every score."""
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are not numbers (NaN)")
    return np.argsort(scores)


def _firsts(ordered: np.ndarray) -> np.ndarray:
    """Return the index at which each group of equal values begins."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _lasts(ordered: np.ndarray) -> np.ndarray:
    """Return the index at which each group of equal values ends."""
    return np.flatnonzero(np.concatenate([ordered[1:] != ordered[:-1], [True]]))
