"""The values of a label map."""

from __future__ import annotations

import numpy as np

FEW = 32
"""Values, for which looking for one after the other is quickest."""


def counts(label: np.ndarray) -> dict[int, int]:
    """How often each value occurs, in order of the values."""
    if label.dtype == np.uint8:  # an eighth of the time of np.unique, which sorts
        found = np.bincount(label.reshape(-1))
        return {int(value): int(found[value]) for value in np.flatnonzero(found)}
    values, numbers = np.unique(label, return_counts=True)
    return {int(value): int(number) for value, number in zip(values, numbers, strict=True)}


def distinct(label: np.ndarray) -> np.ndarray:
    """Its values, which are whole numbers, in order."""
    if not label.size:
        return np.zeros(0, np.int64)
    low, high = int(label.min()), int(label.max())
    if high - low < FEW:  # a comparison a value is quicker than any counting
        return np.array([value for value in range(low, high + 1) if (label == value).any()])
    return np.unique(label).astype(np.int64)


def classes(label: np.ndarray) -> list[int]:
    """The values above the background's 0."""
    return [int(value) for value in distinct(label) if value > 0]
