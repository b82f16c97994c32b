"""Values of a label map."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

FEW = 32
"""Range of values up to which comparing with each value is fastest."""
SEVERAL = 3
"""So many values that lie on edges alone are the work of a blur, not of thin structures."""
MOSTLY = 0.9
"""Share of the voxels of a value that a blur has put between a lower and a higher one."""


def counts(label: np.ndarray) -> dict[int, int]:
    """Return how often each value occurs, in order of the values."""
    if label.dtype == np.uint8:  # an eighth of the time of np.unique, which sorts
        found = np.bincount(label.reshape(-1))
        return {int(value): int(found[value]) for value in np.flatnonzero(found)}
    values, numbers = np.unique(label, return_counts=True)
    return {int(value): int(number) for value, number in zip(values, numbers, strict=True)}


def distinct(label: np.ndarray) -> np.ndarray:
    """Return the different values of a label map of integers, in order."""
    if not label.size:
        return np.zeros(0, np.int64)
    low, high = int(label.min()), int(label.max())
    if high - low < FEW:  # one comparison per value is faster than counting
        return np.array([value for value in range(low, high + 1) if (label == value).any()])
    return np.unique(label).astype(np.int64)


def classes(label: np.ndarray) -> list[int]:
    """Return the values above 0, the background."""
    return [int(value) for value in distinct(label) if value > 0]


def new_value(label: np.ndarray, values: np.ndarray) -> float | None:
    """Return a value of the label that is neither in `values` nor background; None if there is none."""
    if len(values) > FEW:
        known = np.isin(label, [0, *values])
    else:
        known = label == 0
        for value in values[values != 0]:
            known |= label == value
    return None if known.all() else float(label[~known][0])


def thin(label: np.ndarray, between: bool = False) -> np.ndarray:
    """Return the values that lie on edges alone: no voxel of theirs has neighbours of its own value only.

    Lossy compression, interpolation and anti-aliasing leave such values around each object. So do thin
    structures, but not many of them.

    Args:
        label: Numbers [1, *spatial].
        between: Return only those whose voxels have a lower and a higher value beside them, as interpolation
            leaves them.

    Example:
        >>> thin(np.array([[0, 0, 0, 3, 9, 9, 9]])).tolist()
        [3]
    """
    size = (1,) + (3,) * (label.ndim - 1)
    high, low = (each(label, size, mode="nearest") for each in (maximum_filter, minimum_filter))
    values, places, numbers = np.unique(label, return_inverse=True, return_counts=True)
    alone = ~np.isin(values, label[high == low])
    if between:
        inner = np.bincount(places.reshape(-1), ((low < label) & (label < high)).reshape(-1), len(values))
        alone &= inner >= MOSTLY * numbers
    return np.asarray(values[alone])


def blurred(label: np.ndarray, strange: np.ndarray) -> bool:
    """Return True if the values of a label map that should not be there are those of a blur.

    Args:
        label: Numbers [1, *spatial].
        strange: Its values that should not be there.
    """
    if len(strange) < SEVERAL:
        return False
    return 2 * int(np.isin(strange, thin(label)).sum()) >= len(strange)
