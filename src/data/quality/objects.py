"""Counts and sizes of the objects of a data set, for the tables of a survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ganatomy.data.records import Case
from ganatomy.data.transforms.instances import counted


@dataclass
class Objects:
    """Objects of the images that have boxes.

    Attributes:
        counts: Objects of each image.
        sides: Median side of each box, in voxels.
        volumes: Voxels of each object, where there are instance maps.
        touching: Images with an instance map in which objects touch.
        maps: Images with an instance map.
    """

    counts: list[int] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)
    touching: int = 0
    maps: int = 0

    def add(self, case: Case) -> None:
        """Count the objects of a case, if it has boxes."""
        if "boxes" not in case:
            return
        boxes = case["boxes"]
        low, high = np.split(boxes, 2, axis=1)
        self.counts.append(len(boxes))
        self.sides += np.median(high - low, axis=1).tolist() if len(boxes) else []
        if "instances" in case:
            numbers = case["instances"][0]
            self.maps += 1
            self.volumes += counted(numbers, len(boxes)).tolist()
            self.touching += touches(numbers)

    def facts(self) -> dict[str, str]:
        """Return name and text of each fact; empty without boxes."""
        found = {"objects per image": spread(self.counts)} if self.counts else {}
        if self.sides:
            found["sides of objects, voxels"] = spread(self.sides)
        if self.volumes:
            found["instance maps"] = (
                f"{self.maps} images, {self.touching} with objects that touch; {spread(self.volumes)} voxels "
                "per object"
            )
        return found


def touches(numbers: np.ndarray) -> bool:
    """Return True if two objects of an instance map share a face."""
    for axis in range(numbers.ndim):
        first, last = (np.moveaxis(numbers, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        if ((first != last) & (first > 0) & (last > 0)).any():
            return True
    return False


def spread(values: Sequence[float]) -> str:
    """Return the smallest and the largest of some numbers, and their median.

    Example:
        >>> spread([3, 5, 10])
        '3 to 10 (median 5)'
    """
    low, middle, high = np.percentile(np.array(values, float), (0, 50, 100))
    return f"{low:.3g}" if low == high else f"{low:.4g} to {high:.4g} (median {middle:.4g})"
