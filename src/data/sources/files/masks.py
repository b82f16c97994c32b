"""From mask values to class numbers, and to boxes around the objects in masks."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.ndimage import find_objects
from scipy.ndimage import label as components

from ganatomy.data.io.readers import ReadError
from ganatomy.data.label_values import SEVERAL, blurred, classes, thin
from ganatomy.data.records import IGNORED
from ganatomy.text.values import as_typed

Instances = Literal["files", "values", "parts"]
INSTANCES = ("files", "values", "parts")
WHOLE = 1e-3
"""Largest rounding error that a file's scale factor causes in integers."""
BLURRED = (
    "lie on edges alone, as lossy compression (JPEG), interpolation or anti-aliased colours leave them: make "
    "the mask again from its original, resampled to the nearest voxel, and save it without loss (PNG, NIfTI)"
)
Boxes = tuple[np.ndarray, np.ndarray]


def whole(array: np.ndarray, path: Path) -> np.ndarray:
    """Return the values of a mask [1,*spatial] as integers. Raises ReadError if they are not."""
    if array.dtype.kind != "f":
        return array
    if not (finite := np.isfinite(array)).all():
        raise ReadError(f"{path}: label values are not whole numbers ({array[~finite].flat[0]}); correct it")
    nearest = np.round(array)
    if (far := np.abs(array - nearest) > WHOLE).any():
        words = f"{path}: label values are not whole numbers ({array[far].flat[0]:.6g})"
        if blurred(array, np.unique(array[far])):
            raise ReadError(f"{words}; such values {BLURRED}")
        raise ReadError(
            f"{words}; if a scale factor caused this (NIfTI's scl_slope, as when floats are saved in few "
            "bits), save the mask as integers"
        )
    return nearest


def refuse_edges(numbers: np.ndarray, path: Path) -> None:
    """Raise ReadError if half of the numbers of a map of objects [1,*spatial] are traces of a blur."""
    between = thin(numbers, between=True)
    if len(between) >= max(SEVERAL, len(np.unique(numbers)) / 2):
        raise ReadError(f"{path}: {len(between)} of its numbers, such as {between[0]:g}, {BLURRED}")


def class_numbers(
    array: np.ndarray, path: Path, label_values: Sequence[int] | None, ignored: int | None = None
) -> np.ndarray:
    """Return the positions of a mask's values in `label_values`, or the values themselves if it is None.

    Args:
        array: the mask [1,*spatial].
        path: its file, for messages.
        label_values: the allowed values in the order of the classes, a range if these number the classes, or
            None for any values.
        ignored: the value that becomes `IGNORED`; None if there is none.

    Raises:
        ReadError: a value is not an integer, or is not in `label_values`.
    """
    array = whole(array, path)
    if ignored is not None:
        nowhere = array == ignored
        known = np.where(nowhere, label_values[0] if label_values else 0, array)
        numbers = class_numbers(known, path, label_values)
        if (low := int(numbers.min())) < 0:
            raise ReadError(f"{path}: label value {low} is below 0; correct the mask")
        numbers = numbers.astype(np.int8 if numbers.max() <= 127 else np.int32)
        numbers[nowhere] = IGNORED
        return numbers
    low, high = int(array.min()), int(array.max())
    if label_values is None or (isinstance(label_values, range) and low >= 0 and high < len(label_values)):
        fitting = (np.uint8, np.int16, np.int32, np.int64)
        return array.astype(next(t for t in fitting if np.iinfo(t).min <= low and high <= np.iinfo(t).max))
    places = np.zeros(array.shape, np.uint8 if len(label_values) <= 256 else np.int32)
    known = np.zeros(array.shape, bool)
    for place, value in enumerate(label_values):
        here = array == value
        places[here] = place
        known |= here
    if not known.all():
        raise ReadError(f"{path}: {_strange(array, array[~known], label_values)}")
    return places


def _strange(array: np.ndarray, unknown: np.ndarray, label_values: Sequence[int]) -> str:
    """Say which values of a mask are none of the allowed ones, what they look like, and what to do."""
    strange, found = np.unique(unknown), np.unique(array)
    if isinstance(label_values, range):
        words = f"label value {unknown[0]:g}, but data.classes names 0 to {len(label_values) - 1}"
    else:
        words = f"label value {unknown[0]:g} is not in data.label_values={as_typed(label_values)}"
    if blurred(array, strange):
        return f"{words}; {len(strange)} such values ({strange[0]:g} to {strange[-1]:g}) {BLURRED}"
    if isinstance(label_values, range) and len(found) == len(label_values):
        values = ",".join(f"{value:g}" for value in found)
        return f"{words}; data.label_values=[{values}] gives its values in the order of data.classes"
    return f"{words}; correct the mask, data.classes or data.label_values"


def merged(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Merge label maps of one image: the highest class wins, and what any leaves open over background."""
    label: np.ndarray = functools.reduce(np.maximum, maps)
    if len(maps) > 1 and any(each.min() == IGNORED for each in maps):
        unknown = functools.reduce(np.logical_or, (each == IGNORED for each in maps))
        label = np.where(unknown & (label <= 0), np.array(IGNORED, label.dtype), label)
    return label


def boxes_of(label: np.ndarray) -> Boxes:
    """Return a box around each connected part of each class above 0, and its class counted from 0."""
    return _stacked(
        [
            (place, value - 1)
            for value in classes(label)
            for place in find_objects(components(label == value)[0])
        ],
        label.ndim,
    )


def boxes_of_values(label: np.ndarray) -> Boxes:
    """Return a box around each value above 0, all of one class."""
    _, numbers = np.unique(np.where(label > 0, label, 0), return_inverse=True)
    numbers = numbers.reshape(label.shape) + (0 if (label <= 0).any() else 1)
    return _stacked([(place, 0) for place in find_objects(numbers) if place], label.ndim)


def boxes_of_files(maps: Sequence[np.ndarray], paths: Sequence[Path]) -> Boxes:
    """Return a box around the object of each file, and the file's class; none for an empty file.

    Raises ReadError if a file marks several classes.
    """
    found = []
    for label, path in zip(maps, paths, strict=True):
        values = classes(label)
        if len(values) > 1:
            raise ReadError(
                f"{path}: marks the classes {values}, but data.instances=files needs one object per file; "
                "choose data.instances=parts, or values"
            )
        found += [(find_objects((label > 0).astype(np.uint8))[0], value - 1) for value in values]
    return _stacked(found, maps[0].ndim)


def defined(maps: Sequence[np.ndarray], instances: str | None) -> str:
    """Return what counts as one object in the masks [*spatial] of an image.

    Args:
        maps: one label map per file.
        instances: the definition, or None for `files` if each file marks one class and a class occurs more
            than once, else `parts`.
    """
    if instances is not None:
        return instances
    marked = [classes(label) for label in maps]
    single = [values[0] for values in marked if len(values) == 1]
    alike = len(set(single)) < len(single) and all(len(values) < 2 for values in marked)
    return "files" if alike else "parts"


def boxes_in(maps: Sequence[np.ndarray], paths: Sequence[Path], instances: str | None) -> Boxes:
    """Return boxes and classes of the objects in the masks [*spatial] of one image.

    Args:
        maps: one label map per file.
        paths: their files, for messages.
        instances: definition of an object: all of one file (`files`), one value (`values`), or one connected
            part of a class (`parts`). None: see `defined`.
    """
    instances = defined(maps, instances)
    if instances == "files":
        return boxes_of_files(maps, paths)
    if instances == "values":
        boxes = [boxes_of_values(label) for label in maps]
        return np.concatenate([b for b, _ in boxes]), np.concatenate([c for _, c in boxes])
    return boxes_of(functools.reduce(np.maximum, maps))


def _stacked(found: Sequence[tuple[tuple[slice, ...], int]], dims: int) -> Boxes:
    boxes = [[s.start for s in place] + [s.stop for s in place] for place, _ in found]
    classes = np.array([number for _, number in found], np.int64)
    return np.array(boxes, np.float32).reshape(-1, 2 * dims), classes
