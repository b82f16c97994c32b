"""A CSV or JSON table with one row per image."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ganatomy.data.io.text_tables import refuse_hidden, rows_of, word
from ganatomy.data.problems import blamed, own_files
from ganatomy.data.records import Fault, Record, Side
from ganatomy.data.sources.files.claims import ROLES
from ganatomy.data.sources.files.listed import ListedFiles
from ganatomy.data.sources.files.several import listed_columns, names_in, presence
from ganatomy.data.sources.files.templates import visible
from ganatomy.data.splits.lists import split_named
from ganatomy.data.splits.matching import UNNAMED
from ganatomy.errors import UserError

COLUMNS = (
    "image", "label", "target", "mask", "instances", "boxes", "box_class", "kind", "subject", "given_split",
    "given_fold", "case",
)  # fmt: skip


@dataclass(kw_only=True)
class Table(ListedFiles):
    """Rows of `table`, one per image; most settings name a column, null if there is none.

    A row without its image, kind, subject, split or case is a fault. With data.unpaired a row may hold an
    image or a target alone.

    Attributes:
        table: the CSV or JSON file below `root`.
        image: column of the paths below `root`, several separated by `;`, or a column for each channel.
        label: column of the masks, as `image`.
        target: column of the targets, as `image`.
        mask: column of the regions of losses and scores, as `image`; `auto` reads no files.
        boxes: column of boxes, JSON [[a,b,c,d], ...] in `box_order`.
        box_class: column of the boxes' classes, one for all or a JSON list.
        box_order: order of the coordinates of a 2D box.
        kind: column of the class of the image.
        subject: column of the subject.
        given_split: column of the split: train, val or test.
        given_fold: column of the fold in which a row is held out, from 0.
        case: column of a name for the row, else the image's name.
        where: glob pattern of the files that the table names without their folder.
        keep: the values of rows to keep, by column.
    """

    names_maps: ClassVar[str] = "column"
    table: str = "index.csv"
    image: str | Sequence[str] = "image"
    label: str | None = None
    target: str | Sequence[str] | None = None
    mask: str | None = None
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
        rows = self._kept(self._rows())
        self.places = self._found()
        if self.kind and not self.image_classes:
            self.image_classes = tuple(sorted({name for _, row in rows if (name := word(row[self.kind]))}))
        self.image_classes = tuple(map(str, self.image_classes))
        if self.box_class and not self.box_classes:
            self.box_classes = tuple(
                sorted({name for _, row in rows for name in _names(row[self.box_class])})
            )
        elif self.boxes and not self.box_classes:
            self.box_classes = ("object",)
        records = [self._record(row, number) for number, row in rows]
        if self.boxes:
            self._refuse_a_row_a_box([number for number, _ in rows], records)
        return self.completed(records)

    def _rows(self) -> list[tuple[int, dict[str, Any]]]:
        path = self.folder / self.table
        rows = rows_of(path, f"data.table={path}")
        if not rows:
            raise UserError(f"data.table={path}: holds no rows")
        for key in COLUMNS:
            for column in self._columns(key):
                if any(column not in row for _, row in rows):
                    raise UserError(
                        f"data.{key}={column}: no such column in {path.name}; "
                        f"there are {', '.join(rows[0][1])}"
                    )
        return rows

    def _kept(self, rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        for column in self.keep:
            if column not in rows[0][1]:
                raise UserError(
                    f"data.keep={dict(self.keep)}: no such column; there are {', '.join(rows[0][1])}"
                )
        wanted = {column: [word(value) for value in values] for column, values in self.keep.items()}
        kept = [
            (n, row) for n, row in rows if all(word(row.get(c)) in values for c, values in wanted.items())
        ]
        if not kept:
            raise UserError(f"data.keep={dict(self.keep)}: keeps no row of {self.table}")
        return kept

    def _found(self) -> dict[str, str]:
        """Return the files that `where` matches, by name. Raises UserError if two have the same name."""
        places: dict[str, str] = {}
        for path in visible(self.folder, self.where) if self.where else []:
            place = path.relative_to(self.folder).as_posix()
            if path.name in places:
                raise UserError(
                    f"data.where={self.where}: {places[path.name]} and {place} have the same name; "
                    "write the folders into the table"
                )
            places[path.name] = place
        return places

    def _record(self, row: dict[str, Any], number: int) -> Record:
        for key in COLUMNS:
            for column in self._columns(key) if key != "boxes" else ():
                refuse_hidden({key: row[column]}, f"{self.table}, row {number}")
        lacks: list[str] = []

        def cell(key: str, column: str | None) -> str:
            text = word(row[column]) if column else ""
            if column and not text:
                lacks.append(f"{key} (column {column})")
            return text

        roles = [role for role in ROLES if role == "image" or self._columns(role)]
        content: dict[str, Any] = {role: self._paths(row, role) for role in roles}
        columns = self._columns("image")
        known, gap = presence(names_in(row, columns), columns, self.channels, self.missing)
        content |= known
        side: Side = ""
        if self.two_sided and content.get("target") and not content["image"]:
            content, side = {"target": content["target"]}, "target"
        if self.boxes and side != "target":
            content |= self._boxes(row, number)
        kind = word(row[self.kind]) if self.kind and side == "target" else cell("kind", self.kind)
        if kind and side != "target":
            content["class"] = self._place(kind, tuple(self.image_classes), "image_classes", number)
        case = cell("case", self.case)
        files = content[side or "image"]
        if not files:
            lacks.append(f"image (column {', '.join(columns)})")
            case = case or f"row {number}"
        path = Path(files[0]) if files else Path()
        case = case or (path.with_suffix("") if path.name else path).as_posix().replace("/", "_")
        place = f"{self.table}, row {number}"
        text = cell("split", self.given_split)
        split = split_named(text, place) if text else None
        subject = cell("subject", self.subject) or case
        fold = self._fold(word(row[self.given_fold]), place) if self.given_fold else None
        record = Record(case, subject, split, content, kind, fold, side=side)
        for what in lacks:
            words = f"{place}: has no {what}; fill the cell or remove the row"
            record = blamed(record, Fault(case, UNNAMED if what.startswith("split") else "gap", words))
        return blamed(record, Fault(case, "channels", f"{place}: {gap}")) if gap else record

    @staticmethod
    def _fold(text: str, place: str) -> int | None:
        try:
            fold = float(text) if text else None
            if fold is not None and not (fold.is_integer() and fold >= 0):
                raise ValueError
        except ValueError as error:
            raise UserError(f"{place}: fold {text}; folds must be whole numbers from 0") from error
        return None if fold is None else int(fold)

    def _refuse_a_row_a_box(self, numbers: Sequence[int], records: Sequence[Record]) -> None:
        """Raise UserError if several rows are of one image: they would count as different images."""
        rows: dict[str, list[int]] = defaultdict(list)
        for number, record in zip(numbers, records, strict=True):
            for file in own_files(record)[:1]:
                rows[file].append(number)
        for file, several in rows.items():
            if len(several) > 1:
                raise UserError(
                    f"{self.table}, rows {several[0]} and {several[1]}: both belong to {file}; write all "
                    "the boxes of an image into one row, [[x1,y1,x2,y2], ...]"
                )

    def _boxes(self, row: dict[str, Any], number: int) -> dict[str, Any]:
        cell = row[self.boxes or ""]
        try:
            boxes = cell if isinstance(cell, list) else json.loads(word(cell) or "[]")
            boxes = [boxes] if boxes and not any(isinstance(box, list) for box in boxes) else boxes
            array = np.asarray(boxes, float).reshape(len(boxes), -1 if len(boxes) else 4)
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{self.table}, row {number}: {self.boxes} is not a list of boxes ({str(cell)[:60]}); write "
                "[[x1,y1,x2,y2], ...], or [] for none"
            ) from error
        if array.size and array.shape[1] not in (4, 6):
            raise UserError(
                f"{self.table}, row {number}: a box has {array.shape[1]} numbers; 4 or 6 are needed"
            )
        if self.box_order == "xyxy" and array.size and array.shape[1] == 4:
            array = array[:, [1, 0, 3, 2]]
        names = _names(row[self.box_class]) if self.box_class else [self.box_classes[0]]
        names = names * len(array) if len(names) == 1 else names
        if len(names) != len(array):
            found = f"{len(array)} boxes, but {len(names)} of {self.box_class}"
            raise UserError(f"{self.table}, row {number}: {found}; give one for all, or one for each")
        classes = [self._place(name, tuple(self.box_classes), "box_classes", number) for name in names]
        return {"boxes": array.tolist(), "classes": classes}

    def _columns(self, key: str) -> list[str]:
        given = self.maps if key == "instances" else getattr(self, key)
        return [] if (key, given) == ("mask", "auto") else listed_columns(given or None)

    def _paths(self, row: dict[str, Any], key: str) -> list[str]:
        return [self._path(name) for name in names_in(row, self._columns(key)) if name]

    def _path(self, name: str) -> str:
        """Return the path of a file that the table names; backslashes count as slashes."""
        slashed = name if (self.folder / name).exists() else name.replace("\\", "/")
        return self.places.get(slashed, slashed)

    def _place(self, name: str, names: tuple[str, ...], key: str, number: int) -> int:
        if name not in names:
            raise UserError(f"{self.table}, row {number}: {name} is not in data.{key}={list(names)}; add it")
        return names.index(name)


def _names(value: Any) -> list[str]:
    """Return the classes of the boxes of a row."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = value.strip()
    if isinstance(value, list):
        return [word(name) for name in value]
    return [word(value)] if word(value) else []
