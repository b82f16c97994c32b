"""Masks of file-based data sets: check the settings, read the masks, and report missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganatomy.data.io.readers import ReadError, read, read_label
from ganatomy.data.problems import files_of
from ganatomy.data.quality.faults import name_of
from ganatomy.data.records import IGNORED, Fault, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.channels import same_grid
from ganatomy.data.sources.files.claims import ROLES
from ganatomy.data.sources.files.masks import INSTANCES, class_numbers, merged, refuse_edges, whole
from ganatomy.data.sources.files.settings import FileSettings
from ganatomy.errors import UserError, one_of


def check_settings(source: FileSettings) -> None:
    """Raise UserError for invalid or contradicting settings about masks."""
    for key, value, choices in (
        ("missing_label", source.missing_label, ("fault", "background")),
        ("missing", source.missing, (None, "zero")),
        ("target_grid", source.target_grid, (None, "image")),
        *(("shared", role, ROLES) for role in source.shared),
    ):
        one_of(f"data.{key}", value, choices)
    _check_instances(source)
    if source.label_values is not None and len(source.label_values) != len(source.classes):
        raise UserError(
            f"data.label_values: {len(source.label_values)} values for {len(source.classes)} data.classes"
        )
    given = list(source.label_values or ())
    if twice := [value for value in given if given.count(value) > 1]:
        raise UserError(f"data.label_values: {twice[0]} is there twice; give each class a value of its own")
    if source.ignore_label is not None:
        _check_ignored(source)
    if source.instances == "values" and len(source.classes) > 2:
        raise UserError(
            f"data.instances=values: the values number objects of one class, but data.classes names "
            f"{len(source.classes) - 1} besides the background"
        )
    label = getattr(source, "label", None)
    if label and not source.classes and not source.box_classes:
        raise UserError(
            f"data.label={label}: name what the masks mark, background first: "
            "data.classes=[background,lesion], and, if not 0, 1, ..., data.label_values=[0,255]"
        )


def _check_ignored(source: FileSettings) -> None:
    """Raise UserError if the ignore label is a class too, or no whole number."""
    value, known = source.ignore_label, source.label_values
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(
            f"data.ignore_label={value}: give the one whole number that marks such voxels, or null"
        )
    values = list(range(len(source.classes)) if known is None else known)
    if value in values:
        name = source.classes[values.index(value)]
        where = f"data.label_values={values}" if known is not None else f"0 to {len(values) - 1}"
        raise UserError(
            f"data.ignore_label={value}: is the value of the class {name} ({where}); take that class out of "
            "data.classes, or choose another value"
        )


def _check_instances(source: FileSettings) -> None:
    """Raise UserError for an unknown definition of an object, or one beside files that number objects."""
    if source.maps is None:
        return
    text = f"data.instances={source.maps}"
    if not source.names_maps:
        one_of("data.instances", source.instances, (None, *INSTANCES))
    if source.names_maps == "template" and not set("{*/") & set(source.maps):
        raise UserError(
            f"{text}: choose null, {', '.join(INSTANCES)}, or a template of files: instances/{{name}}"
        )
    if source.boxes_from_label:
        raise UserError(f"{text}: boxes are made of these files; take out data.boxes_from_label")
    if getattr(source, "boxes", None):
        raise UserError(f"{text}: boxes are made of these files; take out data.boxes")


def unmarked(source: FileSettings, records: Sequence[Record]) -> list[Fault]:
    """Return a note about images without a mask that count as background.

    Raises UserError if no image has a mask.
    """
    labelled = [record for record in records if "label" in record.content]
    bare = [record for record in labelled if not files_of(record, "label")]
    if source.missing_label != "background" or not bare:
        return []
    if len(bare) == len(labelled):
        raise UserError(
            f"data.missing_label=background: none of the {len(bare)} images has a mask, e.g. "
            f"{name_of(bare[0], source)}; correct data.label"
        )
    words = f"{len(bare)} of {len(records)} images have no mask and count as background"
    return [Fault("", "no mask", f"{words} (data.missing_label)", grave=False)]


def read_masks(source: FileSettings, record: Record, grid: Grid) -> list[np.ndarray]:
    """Read each mask file as class numbers [1,*spatial], or as object numbers with instances=values.

    Args:
        source: the data set.
        record: the case.
        grid: the grid of its image.

    Raises:
        ReadError: a mask does not exist, lies on other voxels than the image, or holds values that are not
            allowed.
    """
    paths, name = source.paths(record, "label"), name_of(record, source)
    if not paths and source.missing_label == "background":
        return [np.zeros((1, *grid.shape), np.uint8)]
    if not paths:
        raise ReadError(
            f"{name}: has no label; add one, leave the image out of data.image, or let it count as "
            "background: data.missing_label=background"
        )
    objects, ignored = source.instances == "values", source.ignore_label
    values = source.label_values
    if values is None and source.classes and not objects:
        values = range(len(source.classes))
    known = values if values is None or ignored is None else [*values, ignored]
    masks = []
    for path in paths:
        if not path.exists():
            raise ReadError(
                f"{path}: is not there; if there is nothing to mark in {name}, let images without a mask "
                "count as background: data.missing_label=background"
            )
        array, own = read_label(path, known, source.axes, source.spatial_dims)
        same_grid(path, own, source.paths(record, "image")[0], grid)
        masks.append(
            _objects(array, path, ignored) if objects else class_numbers(array, path, values, ignored)
        )
    return masks


def _objects(array: np.ndarray, path: Path, ignored: int | None) -> np.ndarray:
    """Return the numbers of the objects of a mask, `IGNORED` where it has the ignore label."""
    numbers = whole(array, path)
    refuse_edges(numbers, path)
    return numbers if ignored is None else np.where(numbers == ignored, IGNORED, numbers.astype(np.int64))


def read_region(source: FileSettings, record: Record, grid: Grid) -> np.ndarray:
    """Read the mask of a case as the voxels that are not 0, [1,*spatial] bool; several files are united.

    Args:
        source: the data set.
        record: the case.
        grid: the grid of its image.

    Raises:
        ReadError: a file does not exist, lies on other voxels than the image, or holds no numbers.
    """
    paths = source.paths(record, "mask")
    if not paths:
        raise ReadError(
            f"{name_of(record, source)}: has no mask; add one, or leave the image out (data.mask)"
        )
    region = np.zeros((1, *grid.shape), bool)
    for path in paths:
        array, own = read(path, source.axes, source.spatial_dims)
        same_grid(path, own, source.paths(record, "image")[0], grid)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ReadError(f"{path}: the mask holds values that are NaN or infinite; correct it")
        region |= (array != 0).any(0, keepdims=True)
    return region


def label_of(source: FileSettings, masks: Sequence[np.ndarray]) -> np.ndarray:
    """Merge the masks of one image into a label map [1,*spatial]; in overlaps the highest class wins."""
    if source.instances == "values" and source.ignore_label is None:
        masks = [(mask > 0).astype(np.uint8) for mask in masks]
    elif source.instances == "values":
        masks = [np.where(mask == IGNORED, IGNORED, mask > 0).astype(np.int8) for mask in masks]
    return merged(masks)
