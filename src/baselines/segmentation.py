"""What segmentation has to beat: the training cohort's mean label map, and thresholds on intensity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from skimage.filters import threshold_multiotsu

Predictor = Callable[[Sequence[int]], np.ndarray]
Pairs = Iterable[tuple[np.ndarray, np.ndarray]]
"""(image, label map) of one subject after the other, [*spatial] both."""
PART = 2**22
"""Voxels that are put into intervals at once."""
MOST_INTERVALS = 5
"""Of intensity: the search for the thresholds between more of them takes too long."""


def rivals(classes: int) -> tuple[str, ...]:
    """What there is to beat, by name."""
    return ("mean_label", "otsu") if classes <= MOST_INTERVALS else ("mean_label",)


class Rivals:
    """(name, label map) for the image [*spatial] of one subject; `cohort` yields those of training."""

    def __init__(self, cohort: Callable[[], Pairs], classes: int) -> None:
        self.mean_label = mean_label_map((label for _, label in cohort()), classes)
        self.order = darkest_first(cohort(), classes) if "otsu" in rivals(classes) else None

    def __call__(self, image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Their names and label maps, one after the other: each may be large."""
        yield "mean_label", self.mean_label(image.shape)
        if self.order is not None:
            yield "otsu", otsu_label_map(image, self.order)


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


def darkest_first(cases: Pairs, classes: int) -> list[int]:
    """The classes in the order of their mean intensity over (image, label map) of the training subjects.

    Classes that none of them has come last.
    """
    sums, counts = np.zeros(classes), np.zeros(classes)
    for image, label in cases:
        places = label.ravel()
        sums += np.bincount(places, image.ravel(), classes)
        counts += np.bincount(places, minlength=classes)
    with np.errstate(invalid="ignore"):
        return [int(index) for index in np.argsort(sums / counts, kind="stable")]


def otsu_label_map(image: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """As many intervals of intensity as there are classes, by Otsu's method; the darkest is order[0].

    Of an image [*spatial], which is background all over if it has fewer values than that. Otsu 1979;
    several thresholds: Liao, Chen, Chung 2001.
    """
    try:
        thresholds = threshold_multiotsu(image.ravel(), classes=len(order))  # type: ignore[no-untyped-call]
    except ValueError:  # too few values
        return np.zeros(image.shape, np.int64)
    labels = np.empty(image.shape, np.int64)
    flat, values = labels.reshape(-1), image.reshape(-1)
    for first in range(0, len(flat), PART):
        part = slice(first, first + PART)
        flat[part] = np.asarray(order)[np.digitize(values[part], thresholds)]
    return labels
