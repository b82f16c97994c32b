"""What is done to the label map of a case, class by class: holes filled, components dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects, generate_binary_structure
from scipy.ndimage import label as connected


@dataclass(frozen=True)
class Steps:
    """What is done to one class, in this order.

    Attributes:
        fill_holes: give the class the holes that it encloses.
        largest: keep its largest component only, the first one of equal size.
        minimum: smallest component that is kept, in the units of the spacing: mm³ of volumes, mm² or px of
            images.

    Example:
        >>> Steps(minimum=20.0).any, Steps().any
        (True, False)
    """

    fill_holes: bool = False
    largest: bool = False
    minimum: float = 0.0

    @property
    def any(self) -> bool:
        """Return True if something is done."""
        return self.fill_holes or self.largest or self.minimum > 0

    def words(self, measure: str) -> str:
        """Return the steps as text; `measure` is the unit of sizes, such as mm³."""
        found = ["holes filled"] if self.fill_holes else []
        found += ["largest component"] if self.largest else []
        found += [f"components of {self.minimum:.4g} {measure} or more"] if self.minimum > 0 else []
        return ", ".join(found) or "nothing"


class Components(NamedTuple):
    """Connected components of a class in its bounding box.

    Attributes:
        numbers: component of each voxel, 0 outside of the class, [*box].
        voxels: number of voxels of each component, from 1 on.
        box: where the box lies in the label map.
    """

    numbers: np.ndarray
    voxels: np.ndarray
    box: tuple[slice, ...]


def holes(label: np.ndarray) -> np.ndarray:
    """Return the class that encloses each hole of a label map, 0 elsewhere, [*spatial].

    A hole is a region of background, connected by faces, that touches neither the border of the image nor any
    class but one. So no voxel has two owners, and in a label map of one class the holes are those of
    `scipy.ndimage.binary_fill_holes`.

    Args:
        label: class numbers [*spatial].

    Example:
        >>> ring = np.pad([[2, 2, 2], [2, 0, 2], [2, 2, 2]], 1)
        >>> int(holes(ring)[2, 2]), int(holes(ring).sum())
        (2, 2)
    """
    found = np.zeros(label.shape, label.dtype)
    if (box := _box(label > 0)) is None:
        return found
    part = label[box]  # beyond the box all is background: who touches its border is no hole
    numbers, count = connected(part == 0)
    low, high = np.full(count + 1, np.iinfo(np.int64).max), np.zeros(count + 1, np.int64)
    outside = np.zeros(count + 1, bool)
    for axis in range(part.ndim):
        ids, classes = np.moveaxis(numbers, axis, 0), np.moveaxis(part, axis, 0).astype(np.int64)
        outside[ids[0]] = outside[ids[-1]] = True
        for one, other in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            beside = (ids[one] > 0) & (classes[other] > 0)
            np.minimum.at(low, ids[one][beside], classes[other][beside])
            np.maximum.at(high, ids[one][beside], classes[other][beside])
    owner = np.where((low == high) & ~outside, high, 0)
    owner[0] = 0
    found[box] = owner[numbers]
    return found


def components_of(mask: np.ndarray) -> Components | None:
    """Return the components of a mask [*spatial]; None if it is empty.

    Voxels touch by faces, edges or corners (8 neighbours in 2D, 26 in 3D).
    """
    if (box := _box(mask)) is None:
        return None
    numbers, count = connected(mask[box], generate_binary_structure(mask.ndim, mask.ndim))
    return Components(numbers, np.bincount(numbers.ravel(), minlength=count + 1)[1:], box)


def postprocessed(label: np.ndarray, spacing: Sequence[float], steps: Mapping[int, Steps]) -> np.ndarray:
    """Return the label map of a case with the steps of each class done.

    Everything is decided on the label map as it came, so that no class depends on what is done to another.
    What is dropped becomes background.

    Args:
        label: class numbers [*spatial]; left as they are.
        spacing: distance between voxels along each axis.
        steps: what is done, by class number.
    """
    voxel, found = math.prod(float(each) for each in spacing), label.copy()
    owner = holes(label) if any(each.fill_holes for each in steps.values()) else None
    for number, own in steps.items():
        mask = label == number
        if own.fill_holes and owner is not None:
            mask |= owner == number
        parts = components_of(mask) if own.any else None
        if parts is None:
            continue
        kept = kept_of(parts.voxels * voxel, own)
        stays = np.concatenate([[False], kept])[parts.numbers]
        box, within = found[parts.box], mask[parts.box]
        box[within & ~stays] = 0
        box[within & stays] = number
    return found


def kept_of(sizes: np.ndarray, steps: Steps) -> np.ndarray:
    """Return which components stay, given their sizes [N] in the units of `Steps.minimum`."""
    kept = sizes >= steps.minimum
    if steps.largest and len(sizes):
        kept &= np.arange(len(sizes)) == sizes.argmax()
    return kept


def _box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Return the bounding box of a mask; None if it is empty."""
    found = find_objects(mask.astype(np.uint8), 1)[0]
    return None if found is None else tuple(found)
