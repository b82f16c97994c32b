"""Instance maps [*spatial]: i + 1 in the object of box i, 0 outside all, -1 in objects that have no box."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.ndimage import find_objects

NO_BOX = -1
"""Value of the voxels of an object whose box was left out: nothing is learned of them."""


def boxes_of_numbers(numbers: np.ndarray) -> np.ndarray:
    """Return the box of each object of an instance map, [N, 2*dims] float32: the voxels that it covers.

    Args:
        numbers: [*spatial], integers; 1 to N without a gap, others are no object.

    Example:
        >>> boxes_of_numbers(np.array([[0, 1, 1], [0, 2, 1]]))
        array([[0., 1., 2., 3.],
               [1., 1., 2., 2.]], dtype=float32)
    """
    found = find_objects(np.maximum(numbers, 0))
    boxes = [[s.start for s in place] + [s.stop for s in place] for place in found if place]
    return np.array(boxes, np.float32).reshape(-1, 2 * numbers.ndim)


def counted(numbers: np.ndarray, objects: int) -> np.ndarray:
    """Return how many voxels each of N objects has, [N]."""
    return np.bincount(numbers[numbers > 0].reshape(-1), minlength=objects + 1)[1 : objects + 1]


def renumbered(numbers: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return an instance map of the kept objects, numbered without a gap; the others become `NO_BOX`.

    Args:
        numbers: [*spatial], integers from -1 to N.
        kept: [N] bool, the objects that remain.
    """
    table = np.full(len(kept) + 2, NO_BOX, np.int32)  # the last entry is that of NO_BOX, as an index
    table[0] = 0
    table[1:-1][kept] = np.arange(1, int(kept.sum()) + 1)
    found: np.ndarray = table[numbers]
    return found


def tightened(case: dict[str, Any]) -> None:
    """Make the boxes of a case those of its instance map again, after it was moved or cut; in place.

    Objects without a voxel lose their box. Where an interpolated map would be exact in boxes too, nothing
    changes.

    Args:
        case: `instances` [1, *spatial], with `boxes` [N, 2*dims] and `classes` [N], arrays or tensors.
    """
    plain = isinstance(case["instances"], np.ndarray)
    numbers, classes = (np.asarray(case[key]) for key in ("instances", "classes"))
    there = counted(numbers[0], len(classes)) > 0
    numbers = numbers if there.all() else renumbered(numbers, there)
    found = numbers, boxes_of_numbers(numbers[0]), classes[there]
    for key, value in zip(("instances", "boxes", "classes"), found, strict=True):
        case[key] = value if plain else torch.from_numpy(np.ascontiguousarray(value))
