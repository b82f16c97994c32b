"""Boxes of COCO segmentations: polygons, and run-length encoded masks (RLE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Corners = tuple[float, float, float, float]
"""x and y of the first corner, x and y of the last."""


def corners_of(segmentation: Any, shape: tuple[int, int] | None) -> Corners | None:
    """Return the box around a segmentation, None for an empty one.

    `shape` is the (height, width) that runs must have. Polygons are lists x, y, x, y, ... of corners; runs
    are counted down the columns, background first, as numbers or packed as text. Raises ValueError for
    anything else.
    """
    if isinstance(segmentation, dict):
        return _of_runs(segmentation, shape)
    if not isinstance(segmentation, list):
        raise ValueError("is neither polygons nor runs")
    if segmentation and not isinstance(segmentation[0], list):
        segmentation = [segmentation]  # one polygon without the list around it
    points = []
    for polygon in segmentation:
        numbers = _numbers(polygon)
        if len(numbers) % 2 or len(numbers) < 6:
            raise ValueError("has a polygon that is not x, y, x, y, ... of three corners or more")
        points.append(numbers.reshape(-1, 2))
    if not points:
        return None
    low, high = np.concatenate(points).min(0), np.concatenate(points).max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _of_runs(about: dict[str, Any], shape: tuple[int, int] | None) -> Corners | None:
    try:
        height, width = (int(n) for n in about["size"])
        counts = about["counts"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("has no size [height, width] and counts") from error
    if shape and (height, width) != shape:
        raise ValueError(f"is {width}x{height}, but its image is {shape[1]}x{shape[0]}")
    runs = unpacked(counts) if isinstance(counts, str) else _numbers(counts).astype(np.int64)
    ends = np.cumsum(runs)
    if min(runs, default=0) < 0 or not len(runs) or ends[-1] != height * width:
        raise ValueError(f"has runs that do not add up to {width}x{height}")
    pairs = [(end - run, end) for run, end in zip(runs[1::2], ends[1::2], strict=True) if run]
    if not pairs:
        return None
    first, last = np.array(pairs).T  # first pixel of each run of the object, and one past its last
    left, right = first.min() // height, (last.max() - 1) // height + 1
    # A run that continues in the next column touches both edges.
    over = first // height != (last - 1) // height
    top = np.where(over, 0, first % height).min()
    bottom = np.where(over, height, (last - 1) % height + 1).max()
    return float(left), float(top), float(right), float(bottom)


def _numbers(given: Any) -> np.ndarray:
    """Return a list of finite numbers. Raises ValueError for anything else."""
    try:
        numbers = np.asarray(given, float)
    except (ValueError, TypeError) as error:
        raise ValueError("holds something that is not a number") from error
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError("holds something that is not a number")
    return numbers


def unpacked(word: str) -> Sequence[int]:
    """Return the runs of COCO's packed form.

    A number is written in groups of five bits, the lowest first, each as the character 48 + group, plus 32 if
    more follow; the highest bit of the last group is the sign. From the fourth run on, the number written is
    the difference to the run before last (cocodataset/cocoapi, maskApi).
    """
    runs: list[int] = []
    value = shift = 0
    for letter in word:
        piece = ord(letter) - 48
        if not 0 <= piece < 64:
            raise ValueError("has characters that packed runs cannot have")
        value |= (piece & 31) << shift
        shift += 5
        if piece & 32:
            continue
        if piece & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("has packed runs that end in the middle of a number")
    return runs
