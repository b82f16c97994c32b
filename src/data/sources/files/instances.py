"""Instance maps of file-based data sets: files that number their objects, and masks that mark them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.ndimage import label as components

from ganatomy.data.io.readers import ReadError, read_label
from ganatomy.data.label_values import classes
from ganatomy.data.quality.faults import name_of
from ganatomy.data.records import Case, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.channels import same_grid
from ganatomy.data.sources.files.masks import refuse_edges, whole
from ganatomy.data.sources.files.settings import FileSettings
from ganatomy.data.transforms.instances import boxes_of_numbers, counted, renumbered

SCATTERED = 3
"""Connected parts for each number from which on a map numbers no objects."""


def numbered_objects(source: FileSettings, record: Record, grid: Grid, label: np.ndarray | None) -> Case:
    """Read the instance maps of a case: `instances`, and the `boxes` and `classes` of its objects.

    Every value above 0 is one object, whatever it touches. Several files of a case number their objects each
    for itself; where these overlap, the later file's counts.

    Args:
        source: the data set.
        record: the case.
        grid: the grid of its image.
        label: its class map [1,*spatial], which gives each object the class of most of its voxels; None: all
            are of the first class.

    Raises:
        ReadError: a file does not exist, lies on other voxels than the image, holds values below 0 or parts
            of objects, or the class map marks nothing where an object lies.
    """
    paths, name = source.paths(record, "instances"), name_of(record, source)
    if not paths and source.missing_label != "background":
        raise ReadError(
            f"{name}: has no instance map; add one, leave the image out of data.image, or let it count as "
            "one without objects: data.missing_label=background"
        )
    numbers, count = np.zeros(grid.shape, np.int32), 0
    for path in paths:
        array, own = read_label(path, None, source.axes, source.spatial_dims)
        same_grid(path, own, source.paths(record, "image")[0], grid)
        array = whole(array, path)
        values, places = np.unique(array[0], return_inverse=True)
        if values[0] < 0:
            raise ReadError(f"{path}: holds {values[0]:g}; an instance map holds 0, and 1 or more in objects")
        objects = int((values > 0).sum())
        found = places.reshape(grid.shape) + (0 if values[0] == 0 else 1)
        refuse_edges(array, path)
        _refuse_scattered(found, objects, str(path))
        numbers[found > 0] = found[found > 0] + count
        count += objects
    case = _gapless(numbers, count)
    if label is not None:
        case["classes"] = _majority(case["instances"][0], label[0], len(case["boxes"]), name)
    return case


def marked_objects(maps: Sequence[np.ndarray], instances: str, one_class: bool) -> Case:
    """Return `instances`, `boxes` and `classes` of the objects that masks mark, as `masks.boxes_in` has them.

    Where objects overlap, a voxel belongs to the smallest; boxes surround what is then left of each.

    Args:
        maps: label maps [*spatial], one for each file.
        instances: definition of an object: "files", "values" or "parts".
        one_class: the values number objects, all of one class.
    """
    parts: list[tuple[np.ndarray, int]] = []
    for label in maps if instances != "parts" else [functools.reduce(np.maximum, maps)]:
        for value in classes(label):
            here, kind = label == value, 0 if one_class else value - 1
            if instances != "parts":
                parts.append((here, kind))
                continue
            numbers, count = components(here)
            parts += [(numbers == number, kind) for number in range(1, count + 1)]
    parts.sort(key=lambda part: -int(part[0].sum()))
    return layered(maps[0].shape, parts)


def layered(shape: Sequence[int], parts: Iterable[tuple[np.ndarray, int]]) -> Case:
    """Return `instances`, `boxes` and `classes` of objects that are laid over each other, the last on top.

    Args:
        shape: the spatial shape.
        parts: the voxels [*spatial] of each object, bool, and its class; the largest first.
    """
    numbers, kinds = np.zeros(shape, np.int32), list[int]()
    for number, (here, kind) in enumerate(parts, 1):
        numbers[here] = number
        kinds.append(kind)
    kept = counted(numbers, len(kinds)) > 0
    return _gapless(numbers, len(kinds)) | {"classes": np.array(kinds, np.int64)[kept]}


def _gapless(numbers: np.ndarray, count: int) -> Case:
    there = counted(numbers, count) > 0
    numbers = numbers if there.all() else renumbered(numbers, there)
    boxes = boxes_of_numbers(numbers)
    return {"instances": numbers[None], "boxes": boxes, "classes": np.zeros(len(boxes), np.int64)}


def _refuse_scattered(numbers: np.ndarray, objects: int, path: str) -> None:
    """Raise ReadError if the numbers of a map are in so many parts that they are classes, not objects."""
    touching = np.ones((3,) * numbers.ndim, bool)
    first = range(1, min(objects, SCATTERED) + 1)
    parts = sum(components(numbers == number, touching)[1] for number in first)
    if objects and parts >= SCATTERED * len(first):
        seen = "its only value lies" if objects == 1 else "its values lie"
        raise ReadError(
            f"{path}: {seen} in {parts} or more separate parts, as in a mask of classes; an instance map "
            "gives each object a number of its own. If connected parts are the objects, name it data.label, "
            "with data.boxes_from_label=true and data.instances=parts"
        )


def _majority(numbers: np.ndarray, label: np.ndarray, count: int, name: str) -> np.ndarray:
    """Return the class, from 0, that most voxels of each object have in a class map; 0 is no class there."""
    inside = (numbers > 0) & (label > 0)
    kinds = int(label.max(initial=0)) + 1
    votes = np.bincount(
        numbers[inside].astype(np.int64) * kinds + label[inside], minlength=(count + 1) * kinds
    )
    votes = votes.reshape(-1, kinds)[1 : count + 1]
    if count and (bare := np.flatnonzero(votes.sum(1) == 0)).size:
        raise ReadError(
            f"{name}: object {bare[0] + 1} of its instance map lies where its label map marks no class; "
            "correct one of them, or take out data.label"
        )
    found: np.ndarray = votes.argmax(1) - 1
    return found.astype(np.int64)
