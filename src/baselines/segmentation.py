"""The trivial segmentation: every subject gets the training cohort's mean label map, unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

Predictor = Callable[[Sequence[int]], np.ndarray]


def mean_label_map(labels: Iterable[ArrayLike], classes: int) -> Predictor:
    """Vote of the training subjects at each position; the predictor takes the shape of a volume, no image.

    labels: integer label maps [*spatial] of whole volumes, so that slices vote with the slices at their
    place. Volumes of another shape than the first are put on its grid by the nearest voxel, and the answer
    on the grid asked for likewise. The most frequent label wins, the lower one in a tie. ValueError without
    a label map, or with a label outside 0 to classes - 1.
    """
    votes: np.ndarray | None = None
    for label in labels:
        values = np.asarray(label)
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(
                f"a training label map holds labels {values.min()} to {values.max()}: "
                f"{classes} classes allow 0 to {classes - 1}"
            )
        if votes is None:
            votes = np.zeros((classes, *values.shape), np.int32)
        placed = nearest(values, votes.shape[1:])
        for index in range(classes):
            votes[index] += placed == index
    if votes is None:
        raise ValueError("the mean label map needs a training subject: none was given")
    winner = votes.argmax(0).astype(np.int64)
    return lambda shape: nearest(winner, shape)


def nearest(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A label map on a grid of another shape over the same field of view, each voxel the nearest old one."""
    if labels.ndim != len(shape):
        raise ValueError(f"a label map of {labels.ndim} axes cannot take the shape {tuple(shape)}")
    places = [
        (np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(shape, labels.shape, strict=True)
    ]
    return labels[np.ix_(*places)]
