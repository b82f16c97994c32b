"""Baselines of detection, without learning: bright or dark parts of the right size, and a mean box."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage import measure

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes [N, 2*dims] in voxels, scores [N] and classes [N]."""
Detector = Callable[[np.ndarray], Boxes]
"""From an image [C, *spatial] to boxes."""

QUANTILES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
BLURS = (0.0, 1.0, 2.0)
MOST, FIRST_MOST = 300, 100
"""Boxes per image, at most, unless the task allows more; and what runs of earlier versions had."""
SPREAD = (0.5, 2.0)
"""Factors on the smallest and largest size of 96 % of the training objects that a part may have."""


@dataclass(frozen=True)
class Sizes:
    """Volumes of the training objects in voxels; an object is taken to fill the ellipsoid in its box.

    Attributes:
        smallest: Smallest volume of a part.
        largest: Largest volume of a part.
        usual: Median volume of each class.
    """

    smallest: float
    largest: float
    usual: np.ndarray


def sizes_of(boxes: np.ndarray, classes: np.ndarray, kinds: int) -> Sizes:
    """Return the sizes of the training objects.

    Args:
        boxes: Boxes of the training set, [N, 2*dims] in voxels.
        classes: Class of each box, [N].
        kinds: Number of classes.

    Raises:
        ValueError: Without any box.
    """
    if not len(boxes):
        raise ValueError("the training set holds no box to learn the size of objects from")
    dims = boxes.shape[1] // 2
    filled = {2: np.pi / 4, 3: np.pi / 6}[dims] * (boxes[:, dims:] - boxes[:, :dims]).prod(1)
    low, high = np.percentile(filled, (2, 98))
    usual = [np.median(filled[classes == k]) if (classes == k).any() else np.inf for k in range(kinds)]
    return Sizes(float(low) * SPREAD[0], float(high) * SPREAD[1], np.array(usual))


@dataclass(frozen=True)
class ThresholdDetector:
    """Connected parts of the blurred image above `level` (sign 1) or below it (sign -1), of a usual size.

    A part scores by its mean distance from the level; its class is the one whose usual size is nearest.

    Attributes:
        level: Threshold on the intensity.
        sign: 1 for bright parts, -1 for dark ones.
        blur: Deviation of the Gaussian in voxels; 0: none.
        sizes: Sizes that parts may have.
        most: Boxes per image, at most.
    """

    level: float
    sign: int
    blur: float
    sizes: Sizes
    most: int = MOST

    def __call__(self, image: np.ndarray) -> Boxes:
        return self.instances(image)[0]

    def instances(self, image: np.ndarray) -> tuple[Boxes, np.ndarray]:
        """Return the boxes of an image [C, *spatial], and its instance map: i + 1 in the part of box i."""
        above = self.above(image)
        skimage: Any = measure  # untyped
        return parts_of_size(skimage.label(above > 0, connectivity=1), above, self.sizes, self.most)

    def above(self, image: np.ndarray) -> np.ndarray:
        """Return how far the blurred mean of the channels is beyond the level, [*spatial]."""
        grey = image.mean(0, dtype=np.float32)
        found: np.ndarray = self.sign * (
            (gaussian_filter(grey, self.blur) if self.blur else grey) - self.level
        )
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which `from_state` makes the same detector."""
        numbers = (self.level, self.sign, self.blur, self.sizes.smallest, self.sizes.largest, self.most)
        return {"numbers": np.array(numbers, np.float64), "usual": self.sizes.usual}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> ThresholdDetector:
        """Return the detector that gave these arrays; those of earlier versions name no number of boxes."""
        level, sign, blur, smallest, largest, *more = state["numbers"].tolist()
        sizes = Sizes(smallest, largest, state["usual"])
        return cls(level, int(sign), blur, sizes, int(more[0]) if more else FIRST_MOST)


def parts_of_size(parts: np.ndarray, above: np.ndarray, sizes: Sizes, most: int) -> tuple[Boxes, np.ndarray]:
    """Return the parts of a usual size, best first, as boxes and as an instance map.

    A part scores by its mean of `above`; its class is the one whose usual size is nearest.

    Args:
        parts: [*spatial], the number of the part that a voxel belongs to, 0 for none.
        above: [*spatial], how far each voxel is beyond the level.
        sizes: Sizes that parts may have.
        most: Boxes, at most.
    """
    skimage: Any = measure  # untyped
    found = [
        (part.bbox, float(part.intensity_mean), part.area, part.label)
        for part in skimage.regionprops(parts, above)
        if sizes.smallest <= part.area <= sizes.largest
    ]
    found = sorted(found, key=lambda part: -part[1])[:most]
    areas = np.array([part[2] for part in found], float)
    near = np.abs(np.log(areas[:, None]) - np.log(sizes.usual))
    boxes = np.array([part[0] for part in found], np.float32).reshape(-1, 2 * above.ndim)
    table = np.zeros(int(parts.max(initial=0)) + 1, np.int32)
    table[[part[3] for part in found]] = np.arange(1, len(found) + 1)
    return (boxes, np.array([part[1] for part in found], np.float32), near.argmin(1)), table[parts]


def threshold_detectors(
    images: Iterable[np.ndarray], sizes: Sizes, most: int = MOST
) -> list[ThresholdDetector]:
    """Return a detector for each level, sign and blur.

    Args:
        images: Images [C, *spatial], whose quantiles of intensity are the levels.
        sizes: Sizes that parts may have.
        most: Boxes per image, at most.
    """
    values = np.concatenate([image.mean(0).reshape(-1)[::7] for image in images])
    return [
        ThresholdDetector(float(level), 1 if q > 0.5 else -1, blur, sizes, most)
        for q, level in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
        for blur in BLURS
    ]


@dataclass(frozen=True)
class MeanBox:
    """The same boxes for every image: the median training box of each class.

    A class scores by the fraction of training images that contain it.

    Attributes:
        boxes: Boxes [N, 2*dims] in voxels.
        scores: Scores [N].
        classes: Classes [N].
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __call__(self, image: np.ndarray) -> Boxes:
        return self.boxes, self.scores, self.classes

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which `from_state` makes the same predictor."""
        return {"boxes": self.boxes, "scores": self.scores, "classes": self.classes}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> MeanBox:
        """Return the predictor that gave these arrays."""
        return cls(state["boxes"], state["scores"], state["classes"])


def mean_box(boxes: Sequence[np.ndarray], classes: Sequence[np.ndarray]) -> MeanBox:
    """Compute a `MeanBox` from the boxes [N, 2*dims] and classes [N] of every training image."""
    flat, kinds = np.concatenate(list(boxes)), np.concatenate(list(classes))
    present = np.unique(kinds)
    usual = [np.median(flat[kinds == kind], axis=0) for kind in present]
    share = [np.mean([(each == kind).any() for each in classes]) for kind in present]
    return MeanBox(np.array(usual, np.float32), np.array(share, np.float32), present)
