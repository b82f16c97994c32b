"""Baselines of segmentation: the training cohort's mean label map, and thresholds on intensity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from skimage.filters import threshold_multiotsu

Pairs = Iterable[tuple[np.ndarray, np.ndarray]]
"""(image, label map) of one subject after the other, both [*spatial]; labels below 0 do not count."""
PART = 2**22
"""Voxels that are thresholded at once."""
MOST_INTERVALS = 5
"""Intervals of intensity, at most: searching the thresholds between more takes too long."""


def baselines(classes: int) -> tuple[str, ...]:
    """Return the names of the baselines that exist for this number of classes."""
    return ("mean_label", "otsu") if classes <= MOST_INTERVALS else ("mean_label",)


@dataclass(frozen=True)
class MeanLabel:
    """Predictor of the training subjects' majority label at each position, for volumes of any shape.

    Attributes:
        winner: Majority label [*spatial] on the grid of the first training subject.
    """

    winner: np.ndarray

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        return nearest(self.winner, shape)


@dataclass(frozen=True)
class Baselines:
    """Baselines fitted on a training cohort.

    Attributes:
        mean_label: Majority label at each position.
        order: Class of each interval of intensity, darkest first; None if there are too many classes.
    """

    mean_label: MeanLabel
    order: list[int] | None

    @classmethod
    def fitted(cls, cohort: Callable[[], Pairs], classes: int) -> Baselines:
        """Fit on a cohort.

        Args:
            cohort: Called for (image, label map) of the training subjects.
            classes: Number of classes, background included.
        """
        order = darkest_first(cohort(), classes) if "otsu" in baselines(classes) else None
        return cls(mean_label_map((label for _, label in cohort()), classes), order)

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which `from_state` makes the same baselines; labels in few bits."""
        winner = self.mean_label.winner
        found = {"mean_label": winner.astype(np.min_scalar_type(int(winner.max())))}
        return found if self.order is None else found | {"otsu": np.array(self.order)}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Baselines:
        """Return the baselines that gave these arrays."""
        order = state["otsu"].tolist() if "otsu" in state else None
        return cls(MeanLabel(state["mean_label"].astype(np.int64)), order)

    def __call__(
        self, image: np.ndarray, region: np.ndarray | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (name, label map) of each baseline for one subject, one at a time.

        Args:
            image: Image [*spatial].
            region: Region of interest, bool [*spatial], outside of which all is background; None for none.
        """
        yield "mean_label", _within(self.mean_label(image.shape), region)
        if self.order is not None:
            yield "otsu", otsu_label_map(image, self.order, region)


def _within(labels: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    return labels if region is None else np.where(region, labels, 0)


def mean_label_map(labels: Iterable[ArrayLike], classes: int) -> MeanLabel:
    """Return a predictor of the training subjects' majority label at each position.

    The predictor takes the shape of a volume, no image. Volumes of another shape than the first are resampled
    to its grid by the nearest voxel, and so is the prediction to the shape asked for. The lower label wins a
    tie. Labels of -1 have no vote; where nobody has one, all is background.

    Args:
        labels: Integer label maps [*spatial] of whole volumes, so that slices vote at their own position.
        classes: Number of classes, background included.

    Raises:
        ValueError: Without a label map, or with a label outside -1 to classes - 1.
    """
    votes: np.ndarray | None = None
    for label in labels:
        values = np.asarray(label)
        if values.min() < -1 or values.max() >= classes:
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
    return MeanLabel(votes.argmax(0).astype(np.int64))


def nearest(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resample a label map to a grid of another shape over the same field of view, by the nearest voxel."""
    if labels.ndim != len(shape):
        raise ValueError(f"a label map of {labels.ndim} axes cannot take the shape {tuple(shape)}")
    places = [
        (np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(shape, labels.shape, strict=True)
    ]
    return labels[np.ix_(*places)]


def darkest_first(cases: Pairs, classes: int) -> list[int]:
    """Return the classes by their mean intensity over (image, label map) of the training subjects.

    Classes that no subject has come last. Voxels with a label of -1 are left out.
    """
    sums, counts = np.zeros(classes), np.zeros(classes)
    for image, label in cases:
        places, grey = label.ravel(), image.ravel()
        if places.size and places.min() < 0:
            places, grey = places[places >= 0], grey[places >= 0]
        sums += np.bincount(places, grey, classes)
        counts += np.bincount(places, minlength=classes)
    with np.errstate(invalid="ignore"):
        return [int(index) for index in np.argsort(sums / counts, kind="stable")]


def otsu_label_map(image: np.ndarray, order: Sequence[int], region: np.ndarray | None = None) -> np.ndarray:
    """Segment an image [*spatial] into as many intensity intervals as there are classes, by Otsu's method.

    An image with fewer values than classes is all background. Otsu 1979; several thresholds: Liao, Chen,
    Chung 2001.

    Args:
        image: Image [*spatial].
        order: Class of each interval, darkest first.
        region: Region of interest, bool [*spatial]: the thresholds are those of its voxels, and all outside
            is background; None for none.
    """
    if region is not None:
        labels = np.zeros(image.shape, np.int64)
        labels[region] = otsu_label_map(image[region], order) if region.any() else 0
        return labels
    try:
        thresholds = threshold_multiotsu(image.ravel(), classes=len(order))  # type: ignore[no-untyped-call]
    except ValueError:  # fewer values than classes
        return np.zeros(image.shape, np.int64)
    labels = np.empty(image.shape, np.int64)
    flat, values = labels.reshape(-1), image.reshape(-1)
    for first in range(0, len(flat), PART):
        part = slice(first, first + PART)
        flat[part] = np.asarray(order)[np.digitize(values[part], thresholds)]
    return labels
