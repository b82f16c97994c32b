"""The gate of a segmentation: images without a suspicious spot get an empty label map."""

from __future__ import annotations

from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.tasks.shared.volumes import largest, likeliest, rows_by_case

SUSPICIOUS = 0.003
"""Fraction of an image's pixels, the most suspicious, that are averaged: a single one is noise."""


def suspicion(probabilities: Tensor) -> Tensor:
    """Return for each row of [B, K, *spatial] the mean lesion probability of its most suspicious pixels [B].

    A pixel's lesion probability is the largest over the classes other than background.
    """
    lesion = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities[:, 1:].amax(1)
    lesion = lesion.flatten(1)
    return largest(lesion, max(1, round(SUSPICIOUS * lesion.shape[1]))).mean(1)


def empty_below(batch: Batch, labels: Tensor, threshold: Tensor) -> Tensor:
    """Return the label maps with those emptied whose case is below a threshold.

    Args:
        batch: Batch with `peak` [B], the `suspicion` of each row; a case has the largest of its rows.
        labels: Label maps [B, 1, *spatial]; left as they are.
        threshold: Lowest suspicion at which a label map is kept, 0-dim.
    """
    labels = labels.clone()
    for _, rows in rows_by_case(batch):
        labels[rows] *= batch["peak"][rows].amax() >= threshold
    return labels


def with_peak(batch: Batch, probabilities: Tensor) -> tuple[Batch, Tensor]:
    """Return the batch with `peak` [B], the lesion probability that the gate compares, and label maps."""
    peak = suspicion(probabilities)
    return {**batch, "peak": peak}, likeliest(probabilities)
