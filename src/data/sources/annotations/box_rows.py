"""Boxes of the rows of a table: several rows of one image are joined."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.data.io.text_tables import word
from ganatomy.data.records import Fault
from ganatomy.data.sources.annotations.box_columns import (
    ORDERS,
    BoxColumns,
    box_columns,
    plain,
    size_columns,
)
from ganatomy.data.sources.annotations.box_meaning import (
    ARRAY,
    AUTO,
    BoxSettings,
    corners,
    dims_of,
    order_of,
    units_of,
)
from ganatomy.data.sources.files.places import whole_number
from ganatomy.data.transforms.box_units import INDICES, UNITS, WORLD
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

Rows = Sequence[tuple[int, dict[str, Any]]]
SCORES = ("confidence", "conf", "score", "probability")


class BoxRows:
    """Boxes of each row, in one order and one unit.

    Attributes:
        classes: Names of the classes.
        units: What the numbers are, one of `UNITS`.
        form: Columns of the numbers; None for a column of lists.

    Args:
        rows: Rows of the table.
        settings: What its columns hold.

    Raises:
        UserError: A row holds no box, or what its numbers are is not clear.
    """

    def __init__(self, rows: Rows, settings: BoxSettings) -> None:
        self.settings, heads = settings, list(rows[0][1])
        listed = isinstance(settings.boxes, str) and settings.boxes != AUTO
        given = [] if isinstance(settings.boxes, str) else list(settings.boxes)
        self.form: BoxColumns | None = None if listed else box_columns(given, heads, settings.order)
        found = {number: self._numbers(row, number) for number, row in rows}
        names = {number: self._names(row, number, len(found[number])) for number, row in rows}
        named = sorted({name for each in names.values() for name in each})
        self.classes = tuple(settings.classes or named or ["object"])
        written = [box for boxes in found.values() for box in boxes]
        self.order = order_of(written, self.form, settings)
        self.units = units_of(written, self.order, self.form, settings)
        self.sizes = (
            {} if self.form is None else self._sizes(rows, found, size_columns(heads, self.form.names))
        )
        self.boxes = {number: self._corners(boxes) for number, boxes in found.items()}
        self.numbers = {number: self._places(each, number) for number, each in names.items()}

    def content(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return what the record of an image says of its boxes, and of the size that its rows state.

        Args:
            numbers: Numbers of the image's rows.
        """
        found: dict[str, Any] = {
            "boxes": [box for number in numbers for box in self.boxes[number]],
            "classes": [place for number in numbers for place in self.numbers[number]],
        }
        if self.units in (*WORLD, "relative"):
            found["box_units"] = self.units
        elif self.order != ARRAY and dims_of(self.order) == 3:
            found["box_units"] = INDICES
        stated = {self.sizes[number] for number in numbers if number in self.sizes}
        return found | ({"stated": {"shape": stated.pop()}} if len(stated) == 1 else {})

    def notes(self, rows: Rows) -> list[Fault]:
        """Return notes on how the table is read: what its columns hold, and what is left unread."""
        if self.form is None:
            return []
        names = f"{', '.join(self.form.names)} are {ORDERS[self.order]}"
        said = f"{self.settings.table}: boxes in {len(self._all())} of {len(rows)} rows; {names}, "
        said += f"{UNITS[self.units]} (data.box_units={self.units})"
        if self.settings.box_class:
            said += f"; class: {self.settings.box_class}"
        found = [Fault("", "boxes", said, grave=False)]
        if unread := [column for column in rows[0][1] if plain(column) in SCORES]:
            words = f"{self.settings.table}: {unread[0]} is not read, every row counts as a box (data.keep)"
            found.append(Fault("", "scores of boxes", words, grave=False))
        flat = sum((box[2:] == box[:2]).any() for box in map(np.array, self._all()) if len(box) == 4)
        if flat and self.settings.units is None and self.units == "edges":
            boxes = "1 box has" if flat == 1 else f"{flat} boxes have"
            words = f"{self.settings.table}: {boxes} no width or height; if the last pixel belongs to a box, "
            found.append(Fault("", "flat boxes", f"{words}set data.box_units=pixels0", grave=False))
        return found

    def _all(self) -> list[list[float]]:
        return [box for boxes in self.boxes.values() for box in boxes]

    def _place(self, number: int) -> str:
        return f"{self.settings.table}, row {number}"

    def _numbers(self, row: dict[str, Any], number: int) -> list[list[float]]:
        """Return the boxes of a row as they are written; none where its cells are empty."""
        if self.form is None:
            return self._listed(row[str(self.settings.boxes)], number)
        cells = [word(row.get(name)) for name in self.form.names]
        if not any(cells):
            return []
        found = []
        for name, cell in zip(self.form.names, cells, strict=True):
            try:
                found.append(float(cell))
            except ValueError as error:
                why = (
                    f"holds {cell[:40]!r}, a number is needed, such as 33.5"
                    if cell
                    else "is empty, others of its box are not"
                )
                raise UserError(f"{self._place(number)}: {name} {why}") from error
        return [found]

    def _listed(self, cell: Any, number: int) -> list[list[float]]:
        name, text = self.settings.boxes, word(cell)
        try:
            boxes = cell if isinstance(cell, list) else json.loads(text if "[" in text else f"[{text}]")
            boxes = [boxes] if boxes and not any(isinstance(box, list) for box in boxes) else boxes
            array = np.asarray(boxes, float).reshape(len(boxes), -1 if len(boxes) else 4)
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{self._place(number)}: {name} is not a list of boxes ({str(cell)[:60]}); write "
                "[[x1,y1,x2,y2], ...], or [] for none"
            ) from error
        order = self.settings.order
        wanted = [len(ORDERS[order].split())] if order else [4, 6]
        if array.size and array.shape[1] not in wanted:
            needed = " or ".join(map(str, wanted))
            raise UserError(f"{self._place(number)}: a box has {array.shape[1]} numbers; {needed} are needed")
        found: list[list[float]] = array.tolist()
        return found

    def _names(self, row: dict[str, Any], number: int, boxes: int) -> list[str]:
        """Return the class of each box of a row."""
        column = self.settings.box_class
        if column is None:
            return [next(iter(self.settings.classes), "object")] * boxes
        names = _listed_names(row[column])
        names = names * boxes if len(names) == 1 else names  # none of "no finding"
        if len(names) != boxes:
            found = f"{boxes} boxes, but {len(names)} of {column}"
            raise UserError(f"{self._place(number)}: {found}; give one for all, or one for each")
        return names

    def _places(self, names: Sequence[str], number: int) -> list[int]:
        for name in names:
            if name not in self.classes:
                known = as_typed(self.classes)
                raise UserError(f"{self._place(number)}: {name} is not in data.box_classes={known}; add it")
        return [self.classes.index(name) for name in names]

    def _corners(self, boxes: list[list[float]]) -> list[list[float]]:
        if not boxes or self.order == ARRAY:
            return boxes
        found: list[list[float]] = corners(np.array(boxes), self.order, self.units).tolist()
        return found

    def _sizes(
        self, rows: Rows, found: dict[int, list[list[float]]], columns: Sequence[str]
    ) -> dict[int, tuple[int, int]]:
        """Return (height, width) of the image that each row states; none where they are those of the box."""
        if not columns or self.form is None or self.units in WORLD:
            return {}
        stated = {n: tuple(whole_number(row.get(column)) for column in columns) for n, row in rows}
        sides = {n: corners(np.array(b), self.order, "edges")[0] for n, b in found.items() if b}
        own = [np.allclose(stated[n], box[2:] - box[:2], atol=1.01) for n, box in sides.items()]
        if own and all(own):
            return {}
        return {n: (height, width) for n, (height, width) in stated.items() if height and width}


def joined(
    rows: Rows, image: Sequence[str], columns: Sequence[tuple[str, str]], table: str
) -> list[list[int]]:
    """Return the numbers of the rows of each image, in the order of its first row.

    Args:
        rows: Rows of the table.
        image: Columns that name the image.
        columns: Key and column of what an image has once, such as its subject.
        table: Name of the table.

    Raises:
        UserError: Two rows of an image differ in one of these.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    by_number = dict(rows)
    for number, row in rows:
        name = tuple(word(row[column]) for column in image)
        groups[name if any(name) else (f"\0{number}",)].append(number)
    for numbers in groups.values():
        first = by_number[numbers[0]]
        for number in numbers[1:]:
            for key, column in columns:
                one, other = word(first[column]), word(by_number[number][column])
                if one != other:
                    whose = ", ".join(word(first[part]) for part in image)
                    raise UserError(
                        f"{table}, rows {numbers[0]} and {number}: both belong to {whose}, but its {key} is "
                        f"{one or '(empty)'} and {other or '(empty)'}; correct one"
                    )
    return list(groups.values())


def _listed_names(value: Any) -> list[str]:
    """Return the classes of the boxes of a row: one, or a list of them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = value.strip()
    if isinstance(value, list):
        return [word(name) for name in value]
    return [word(value)] if word(value) else []
