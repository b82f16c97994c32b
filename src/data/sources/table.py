"""A CSV or JSON table with one row an image."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from src.data.records import Record
from src.data.sources.files import Files
from src.data.splits import NAMES
from src.errors import UserError

COLUMNS = (
    "image",
    "label",
    "target",
    "boxes",
    "box_class",
    "kind",
    "subject",
    "given_split",
    "given_fold",
    "case",
)


@dataclass(kw_only=True)
class Table(Files):
    """Rows of `table` (below `root`); each further setting names a column, null where there is none.

    image, label, target: paths below `root`, or several with `;` between. boxes: JSON, [[a,b,c,d], ...]
    in `box_order`, with `box_class` (a name, or a JSON list of names) beside it. kind: class of the
    image. given_split: train, val or test. given_fold: number of the part in which a row is held out.
    case: a name for the row, else the image's. where: glob pattern of the files that the table names
    without their folder. keep: only the rows with these values, column by column.
    """

    table: str = "index.csv"
    image: str = "image"
    label: str | None = None
    target: str | None = None
    boxes: str | None = None
    box_class: str | None = None
    box_order: Literal["xyxy", "yxyx"] = "xyxy"
    kind: str | None = None
    subject: str | None = None
    given_split: str | None = None
    given_fold: str | None = None
    case: str | None = None
    where: str | None = None
    keep: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def records(self) -> list[Record]:
        rows = [row for row in self._rows() if all(row.get(k) in values for k, values in self.keep.items())]
        if not rows:
            raise UserError(f"data.keep={dict(self.keep)}: keeps no row of {self.table}")
        found = self.folder.glob(self.where) if self.where else []
        self.places = {path.name: path.relative_to(self.folder).as_posix() for path in found}
        if self.kind and not self.kinds:
            self.kinds = tuple(sorted({str(row[self.kind]) for row in rows}))
        if self.box_class and not self.box_classes:
            self.box_classes = tuple(sorted({name for row in rows for name in _names(row[self.box_class])}))
        elif self.boxes and not self.box_classes:
            self.box_classes = ("object",)
        return [self._record(row, number) for number, row in enumerate(rows, 2)]

    def _rows(self) -> list[dict[str, Any]]:
        path = self.folder / self.table
        try:
            text = path.read_text(encoding="utf-8-sig")
            rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        except (OSError, ValueError) as error:
            raise UserError(f"data.table={path}: cannot be read ({error})") from error
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"data.table={path}: holds no rows")
        for key in COLUMNS:
            column = getattr(self, key)
            if column and any(column not in row for row in rows):
                raise UserError(
                    f"data.{key}={column}: no such column in {path.name}; there are {', '.join(rows[0])}"
                )
        return rows

    def _record(self, row: dict[str, Any], number: int) -> Record:
        content: dict[str, Any] = {"image": self._paths(row[self.image])}
        for role, column in (("label", self.label), ("target", self.target)):
            if column:
                content[role] = self._paths(row[column])
        if self.boxes:
            content |= self._boxes(row, number)
        kind = str(row[self.kind]) if self.kind else ""
        if kind:
            content["class"] = self._place(kind, tuple(self.kinds), "kinds", number)
        case = (
            str(row[self.case])
            if self.case
            else Path(content["image"][0]).with_suffix("").as_posix().replace("/", "_")
        )
        text = str(row[self.given_split] or "").strip().lower() if self.given_split else ""
        if text and text not in NAMES:
            raise UserError(f"{self.table}, row {number}: split {text}; choose train, val or test")
        fold = int(row[self.given_fold]) if self.given_fold and str(row[self.given_fold]).strip() else None
        subject = str(row[self.subject]) if self.subject else case
        return Record(case, subject, NAMES.get(text), content, kind, fold)

    def _boxes(self, row: dict[str, Any], number: int) -> dict[str, Any]:
        try:
            cell = row[self.boxes or ""]
            boxes = cell if isinstance(cell, list) else json.loads(cell or "[]")
            array = np.asarray(boxes, float).reshape(len(boxes), -1 if len(boxes) else 4)
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{self.table}, row {number}: {self.boxes} is no list of boxes ({error})"
            ) from error
        if array.size and array.shape[1] not in (4, 6):
            raise UserError(
                f"{self.table}, row {number}: a box has {array.shape[1]} numbers, where 4 or 6 are needed"
            )
        if self.box_order == "xyxy" and array.size and array.shape[1] == 4:
            array = array[:, [1, 0, 3, 2]]
        names = _names(row[self.box_class]) if self.box_class else [self.box_classes[0]]
        names = names * len(array) if len(names) == 1 else names
        if len(names) != len(array):
            raise UserError(
                f"{self.table}, row {number}: {len(array)} boxes, but {len(names)} of {self.box_class}"
            )
        classes = [self._place(name, tuple(self.box_classes), "box_classes", number) for name in names]
        return {"boxes": array.tolist(), "classes": classes}

    def _paths(self, value: Any) -> list[str]:
        names = value if isinstance(value, list) else [v.strip() for v in str(value or "").split(";")]
        return [self.places.get(str(name), str(name)) for name in names if name]

    def _place(self, name: str, names: tuple[str, ...], key: str, number: int) -> int:
        if name not in names:
            raise UserError(f"{self.table}, row {number}: {name} is none of data.{key}={list(names)}")
        return names.index(name)


def _names(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(name) for name in value]
    return [str(name) for name in json.loads(value)] if str(value).startswith("[") else [str(value)]
