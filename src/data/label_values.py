"""Values of a label map."""

from __future__ import annotations

import numpy as np

FEW = 32
"""Range of values up to which comparing with each value is fastest."""


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
