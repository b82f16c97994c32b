"""One annotation file in COCO format, and the box of each annotation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.sources.annotations.rle import corners_of
from ganatomy.errors import UserError

LISTS = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id"),
    "categories": ("id", "name"),
}
"""Lists of the file, and the required fields of their rows."""
TOLERANCE = 2.0, 0.25
"""Tolerance between a box and its segmentation: pixels, and fraction of the box's side."""


class CocoFile:
    """Images and categories by their ids, and the annotations.

    Raises UserError if the file is not COCO, if two images share an id, or if a category has two names or
    ids.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            about = json.loads(path.read_text(encoding="utf-8-sig"))
            if not isinstance(about, dict):
                raise ValueError(
                    "is a list, like a results file; images, annotations and categories are needed"
                )
            if missing := set(LISTS) - set(about):
                raise ValueError(f"has no {', '.join(sorted(missing))}")
            if unlisted := [key for key in LISTS if not isinstance(about[key], list)]:
                raise ValueError(f"{unlisted[0]} is not a list")
            for key, fields in LISTS.items():
                if bad := [row for row in about[key] if not _has(row, fields)]:
                    raise ValueError(f"{key} without {' and '.join(fields)}: {json.dumps(bad[0])[:60]}")
        except (OSError, ValueError) as error:
            if not path.exists():
                raise UserError(f"data.annotations={path}: is not there") from error
            raise UserError(f"data.annotations={path}: is not a COCO file ({error})") from error
        self.images: dict[Any, dict[str, Any]] = self._by_number(about["images"])
        self.annotations: list[dict[str, Any]] = about["annotations"]
        self.categories = self._names(about["categories"])

    def _by_number(self, images: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for image in images:
            if image["id"] in found:
                one, other = found[image["id"]]["file_name"], image["file_name"]
                raise UserError(
                    f"{self.path}: {one} and {other} have the same id, {image['id']}, so their boxes are "
                    "mixed up; if two files were merged, renumber the images and image_ids of one"
                )
            found[image["id"]] = image
        return found

    def _names(self, categories: list[dict[str, Any]]) -> dict[Any, str]:
        names: dict[Any, str] = {}
        numbers: dict[str, Any] = {}
        for category in categories:
            number, name = category["id"], category["name"]
            if names.setdefault(number, name) != name:
                raise UserError(
                    f"{self.path}: category {number} is {names[number]} and {name}; renumber one of them"
                )
            if numbers.setdefault(name, number) != number:
                raise UserError(
                    f"{self.path}: category {name} has the numbers {numbers[name]} and {number}; rename one, "
                    "or use one number"
                )
        return names


def _has(row: Any, fields: Sequence[str]) -> bool:
    """Return True if a row of a list holds a number or a text in each of these fields."""
    return isinstance(row, dict) and all(isinstance(row.get(field), int | float | str) for field in fields)


def box_of(note: Mapping[str, Any], shape: tuple[int, int] | None, place: str) -> list[float]:
    """Return the box of an annotation as lower corner, upper corner, rows first.

    The box is the bbox, or the bounds of the segmentation if there is no bbox.

    Args:
        note: the annotation.
        shape: (height, width) stated for its image, or None.
        place: file and annotation, for messages.

    Raises:
        UserError: the box is invalid or rotated, or lies elsewhere than the segmentation.
    """
    attributes = note.get("attributes")
    if isinstance(attributes, dict) and attributes.get("rotation"):
        raise UserError(f"{place}: its box is rotated by {attributes['rotation']}; use an upright box")
    drawn = None
    if note.get("segmentation"):
        try:
            drawn = corners_of(note["segmentation"], shape)
        except ValueError as error:
            raise UserError(f"{place}: its segmentation {error}; redraw or remove it") from error
    if not note.get("bbox") and drawn:
        return [drawn[1], drawn[0], drawn[3], drawn[2]]
    try:
        x, y, w, h = (float(value) for value in note["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        five = isinstance(note.get("bbox"), list) and len(note["bbox"]) == 5
        rotated = " (five numbers are a rotated box; use an upright one)" if five else ""
        raise UserError(f"{place}: its bbox is not [x, y, width, height]{rotated}") from error
    if not drawn:
        _same_area(note.get("area"), (x, y, w, h), place)
    if drawn:
        _same_place((x, y, x + w, y + h), drawn, (x, y, w, h), place)
    return [y, x, y + h, x + w]


def _same_area(area: Any, written: tuple[float, ...], place: str) -> None:
    """Raise UserError if the stated area shows that the four numbers are two corners."""
    x, y, w, h = written
    if not isinstance(area, int | float) or not area > 0 or np.isclose(area, w * h, rtol=0.05):
        return
    if w > x and h > y and (x or y) and np.isclose(area, (w - x) * (h - y), rtol=0.01):
        raise UserError(
            f"{place}: its area is {area:g}, that of a box with the corners {x:g}, {y:g}, {w:g}, {h:g}, but "
            "COCO's bbox is x, y, width, height; correct one"
        )


def _same_place(
    box: tuple[float, ...], drawn: tuple[float, ...], written: tuple[float, ...], place: str
) -> None:
    """Raise UserError if the box lies elsewhere than the segmentation."""
    pixels, share = TOLERANCE

    def differs(one: tuple[float, ...]) -> bool:
        sides = np.array([drawn[2] - drawn[0], drawn[3] - drawn[1]] * 2)
        return bool((np.abs(np.subtract(one, drawn)) > np.maximum(pixels, share * sides)).any())

    if not np.isfinite(box).all() or not differs(box):
        return
    corners = (
        "; it seems to hold two corners, but COCO has x, y, width, height" if not differs(written) else ""
    )
    one, other = (", ".join(f"{value:g}" for value in values) for values in (box, drawn))
    raise UserError(
        f"{place}: its bbox (corners {one}) does not match its segmentation ({other}){corners}; correct one"
    )
