"""Contract of data sources: checks the shapes, types and affine of every loaded case."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ganatomy.data.io.readers import ReadError
from ganatomy.data.records import Case, Record, Source
from ganatomy.errors import UserError, one_of

ATTRIBUTES = ("channels", "spatial_dims", "size", "classes", "box_classes", "image_classes")
METHODS = ("records", "load", "fingerprint", "content")
FLAT = 1e-6
"""An affine cannot be inverted if the unit vectors along its axes span less than this volume."""


def check_source(source: Source) -> None:
    """Raise UserError if a source lacks an attribute or method of `Source`."""
    name = type(source).__name__
    if missing := [part for part in (*ATTRIBUTES, *METHODS) if not hasattr(source, part)]:
        raise UserError(f"data: {name} has no {', '.join(missing)}; see Source in src/data/records.py")
    if source.spatial_dims not in (2, 3):
        raise UserError(f"data: {name}.spatial_dims is {source.spatial_dims!r}; give 2 or 3")


def check_choices(**given: tuple[Any, Any]) -> None:
    """Raise UserError for a value that is not one of its type's; `given` maps keys to (value, type)."""
    for key, (value, kind) in given.items():
        one_of(f"data.{key}", value, get_args(kind))


def check_counts(**counts: tuple[int, int]) -> None:
    """Raise UserError for a number below its minimum; `counts` maps keys to (number, minimum)."""
    for key, (number, minimum) in counts.items():
        if number < minimum:
            raise UserError(f"data.{key}={number}: give {minimum} or more")


def loaded(record: Record, source: Source) -> Case:
    """Load a case.

    Raises:
        ReadError: The code of the source fails; the message names the case and the line of code.
    """
    try:
        return source.load(record)
    except (ReadError, UserError, OSError, MemoryError):
        raise
    except Exception as error:  # code of a source may fail in any way
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        _, *calls = traceback.extract_tb(error.__traceback__)
        own = [call for call in calls if call.filename == calls[0].filename]  # not of a package it calls
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = f"; {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
        words = f"{record.case}: {type(source).__name__}.load fails ({reason}{place})"
        raise ReadError(words) from error


def breach(record: Record, case: Case, source: Source) -> str:
    """Describe in one line how the arrays of a case break the contract of `Case`.

    Args:
        record: Record of the case.
        case: Arrays that the source loaded.
        source: Source, to name it and to compare with its attributes.

    Returns:
        The first violation, or an empty string.
    """
    wrong = next(_breaches(case, source, record.side == "target"), "")
    return f"{record.case}: {type(source).__name__}.load gives {wrong}" if wrong else ""


def _breaches(case: Case, source: Source, alone: bool) -> Iterator[str]:
    """Yield each violation; a later check may fail with an exception where an earlier one has yielded."""
    if not isinstance(case, dict):
        yield f"{_with_article(type(case).__name__)}; expected a dict of arrays"
    for key in ("target" if alone else "image", "affine", "spacing"):
        if key not in case:
            yield f"no '{key}'; found {', '.join(case) or 'nothing'}"
    for key, value in case.items():
        if not isinstance(value, np.ndarray | np.generic):
            yield f"{key} as {_with_article(type(value).__name__)}; expected a NumPy array"
    image = case["target" if alone else "image"]
    yield from _target(image, source) if alone else _image(image, source)
    dims = image.ndim - 1
    yield from _affine(case["affine"], case["spacing"], dims)
    spatial = ", ".join(map(str, image.shape[1:]))
    if "label" in case:
        label = case["label"]
        if label.ndim != dims + 1 or len(label) != 1:
            yield f"label {_shape(label)}; expected [1, {spatial}] for an image {_shape(image)}"
        if label.dtype.kind not in "bui":
            yield f"label {_shape(label)}; expected integers: class numbers, 0 for background"
    if "target" in case:
        target = case["target"]
        if target.ndim != dims + 1 or target.dtype.kind not in "buif":
            yield f"target {_shape(target)}; expected [C, {spatial}] of real numbers, as the image has"
    if "mask" in case:
        mask = case["mask"]
        if mask.ndim != dims + 1 or len(mask) != 1 or mask.dtype.kind != "b":
            yield f"mask {_shape(mask)}; expected [1, {spatial}] bool: the region of losses and scores"
    if "present" in case:
        present = case["present"]
        if present.shape != (len(image),) or present.dtype.kind != "b" or not present.any():
            yield f"present {_shape(present)}; expected [{len(image)}] bool, True for a channel that is there"
    if "boxes" in case:
        yield from _boxes(case, dims)
    if "instances" in case:
        numbers = case["instances"]
        if numbers.ndim != dims + 1 or len(numbers) != 1 or numbers.dtype.kind not in "ui":
            yield f"instances {_shape(numbers)}; expected [1, {spatial}] integers, i + 1 in object i"
        if "boxes" not in case or numbers.max(initial=0) > len(case["boxes"]):
            yield f"instances up to {numbers.max(initial=0)}; expected a box for each of these objects"
    if "class" in case:
        yield from _class(case["class"], source)


def _image(image: np.ndarray, source: Source) -> Iterator[str]:
    if image.ndim not in (3, 4) or not image.size:
        yield f"image {_shape(image)}; expected [C, *spatial], two or three axes after the channels"
    if image.dtype.kind not in "buif":
        yield f"image {_shape(image)}; expected real numbers"
    if len(image) != source.channels:
        yield f"image {_shape(image)}; expected {source.channels} channels on the first axis (data.channels)"


def _target(target: np.ndarray, source: Source) -> Iterator[str]:
    """Check the target of a case of the target side alone."""
    channels = getattr(source, "target_channels", None) or source.channels
    if target.ndim not in (3, 4) or not target.size:
        yield f"target {_shape(target)}; expected [C, *spatial], two or three axes after the channels"
    if len(target) != channels:
        yield f"target {_shape(target)}; expected {channels} channels first (data.target_channels)"


def _affine(affine: np.ndarray, spacing: np.ndarray, dims: int) -> Iterator[str]:
    """Check a [4, 4] affine (pictures have one too) and the spacing of `dims` axes."""
    if affine.shape != (4, 4) or affine.dtype.kind not in "iuf":
        yield f"affine {_shape(affine)}; expected [4, 4], voxel index to mm (np.eye(4) if unknown)"
    if not np.isfinite(affine).all():
        yield f"affine with values that are not finite: {affine.tolist()}"
    axes = affine[:3, :3].astype(float)
    lengths = np.linalg.norm(axes, axis=0)
    if not lengths.all() or abs(np.linalg.det(axes / lengths)) < FLAT:
        yield f"affine that cannot be inverted: {affine.tolist()}"
    if spacing.shape != (dims,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        yield f"spacing {spacing.tolist()}; expected {dims} numbers above 0, in mm"


def _boxes(case: Case, dims: int) -> Iterator[str]:
    boxes = case["boxes"]
    if boxes.ndim != 2 or boxes.shape[1] != 2 * dims or boxes.dtype.kind not in "iuf":
        yield f"boxes {_shape(boxes)}; expected [N, {2 * dims}]: lower corner, then upper corner, in voxels"
    if "classes" not in case:
        yield f"boxes without 'classes'; expected [{len(boxes)}] integers"
    classes = case["classes"]
    if classes.shape != (len(boxes),) or classes.dtype.kind not in "ui":
        yield f"classes {_shape(classes)}; expected [{len(boxes)}] integers, one for each box"


def _class(number: np.ndarray, source: Source) -> Iterator[str]:
    if number.ndim or number.dtype.kind not in "bui":
        yield f"class {_shape(number)}; expected a single integer, [] int64"
    if source.image_classes and not 0 <= int(number) < len(source.image_classes):
        last = len(source.image_classes) - 1
        yield f"class {int(number)}; expected 0 to {last}, a place among data.image_classes"


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _shape(array: np.ndarray) -> str:
    """Return the shape and type as text."""
    return f"[{', '.join(map(str, array.shape))}] {array.dtype}"
