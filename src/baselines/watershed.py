"""Baseline of instances: the parts of a threshold, cut apart where they are narrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage import feature, filters, segmentation

from ganatomy.baselines.detection import MOST, Boxes, Sizes, ThresholdDetector, parts_of_size

SMOOTH = (0.5, 1.0, 2.0)
"""Deviations of the Gaussian that smooths the distances before their maxima are taken."""
OTSU_BLUR = 1.0
"""Deviation of the Gaussian of the detectors at Otsu's level."""


@dataclass(frozen=True)
class WatershedDetector:
    """Basins of the watershed of the distance transform, inside the parts of a threshold.

    The distance of each voxel to the background has a maximum in each convex part; a watershed from these
    maxima cuts objects apart that touch (Vincent and Soille, IEEE TPAMI 13 (1991) 583; scikit-image). Scores
    and classes are those of `ThresholdDetector`.

    Attributes:
        base: Detector whose parts are cut.
        smooth: Deviation of the Gaussian on the distances, in voxels.
    """

    base: ThresholdDetector
    smooth: float

    def __call__(self, image: np.ndarray) -> Boxes:
        return self.instances(image)[0]

    def instances(self, image: np.ndarray) -> tuple[Boxes, np.ndarray]:
        """Return the boxes of an image [C, *spatial], and its instance map: i + 1 in the part of box i."""
        above = self.base.above(image)
        inside = above > 0
        distance = gaussian_filter(distance_transform_edt(inside), self.smooth)
        tools: tuple[Any, Any] = feature, segmentation  # untyped
        peaks = tools[0].peak_local_max(distance, min_distance=1, labels=inside.astype(np.int32))
        seeds = np.zeros(inside.shape, np.int32)
        peaks = peaks.reshape(-1, inside.ndim)  # no peaks have two axes there, whatever the image has
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        parts = tools[1].watershed(-distance, seeds, mask=inside)
        return parts_of_size(parts, above, self.base.sizes, self.base.most)

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which `from_state` makes the same detector."""
        return self.base.state() | {"smooth": np.array(self.smooth, np.float64)}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> WatershedDetector:
        """Return the detector that gave these arrays."""
        return cls(ThresholdDetector.from_state(state), float(state["smooth"]))


def watershed_detectors(
    images: Iterable[np.ndarray], sizes: Sizes, best: ThresholdDetector, most: int = MOST
) -> list[WatershedDetector]:
    """Return detectors at Otsu's level of the images, bright and dark, and at that of the best threshold.

    Args:
        images: Images [C, *spatial].
        sizes: Sizes that parts may have.
        best: The threshold that was best on these images.
        most: Boxes per image, at most.
    """
    values = np.concatenate([image.mean(0).reshape(-1)[::7] for image in images])
    tools: Any = filters  # untyped
    level = float(tools.threshold_otsu(values)) if values.min() < values.max() else float(values[0])
    otsu = [ThresholdDetector(level, sign, OTSU_BLUR, sizes, most) for sign in (1, -1)]
    return [WatershedDetector(base, smooth) for base in (best, *otsu) for smooth in SMOOTH]
