"""A CSV or JSON table with one row per image, or one per box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from ganatomy.data.io.text_tables import refuse_hidden, rows_of, word
from ganatomy.data.problems import blamed, few, files_of, own_files
from ganatomy.data.records import Fault, Record, Side
from ganatomy.data.sources.annotations.box_columns import (
    CLASSES,
    IMAGES,
    PATIENTS,
    holds_boxes,
    known_column,
    plain,
)
from ganatomy.data.sources.annotations.box_meaning import AUTO, BoxSettings
from ganatomy.data.sources.annotations.box_rows import BoxRows, Rows, joined
from ganatomy.data.sources.annotations.named_images import NamedImages
from ganatomy.data.sources.files.claims import ROLES
from ganatomy.data.sources.files.listed import ListedFiles
from ganatomy.data.sources.files.places import case_of
from ganatomy.data.sources.files.several import listed_columns, names_in, presence
from ganatomy.data.splits.lists import split_named
from ganatomy.data.splits.matching import UNNAMED
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

COLUMNS = (
    "image", "label", "target", "mask", "instances", "boxes", "box_class", "kind", "subject", "given_split",
    "given_fold", "case",
)  # fmt: skip


@dataclass(kw_only=True)
class Table(ListedFiles):
    """Rows of `table`, one per image; most settings name a column, null if there is none.

    A row without its image, kind, subject, split or case is a fault. With data.unpaired a row may hold an
    image or a target alone. With boxes, an image may have several rows, whose boxes are joined, and one that
    has rows without a box has none.

    Attributes:
        table: the CSV or JSON file below `root`.
        image: column of the paths below `root`, several separated by `;`, or a column for each channel. Next
            to boxes, names without folder or extension do too.
        label: column of the masks, as `image`.
        target: column of the targets, as `image`.
        mask: column of the regions of losses and scores, as `image`; `auto` reads no files.
        boxes: `auto`, or the columns of the numbers of a row's box; or a column of lists, JSON
            [[a,b,c,d], ...].
        box_class: column of the boxes' classes, one for all of a row or a JSON list.
        box_order: order of a box's numbers, one of `ORDERS`; None: as the columns' names say, in lists the
            corners (of volumes in the order of the array's axes).
        box_units: what they are, one of `UNITS`; None: as the columns' names or the numbers say.
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
    boxes: str | Sequence[str] | None = None
    box_class: str | None = None
    box_order: str | None = None
    box_units: str | None = None
    kind: str | None = None
    subject: str | None = None
    given_split: str | None = None
    given_fold: str | None = None
    case: str | None = None
    where: str | None = None
    keep: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def records(self) -> list[Record]:
        rows = self._kept(self._rows())
        self.named = NamedImages(self.folder, self.where)
        if self.kind and not self.image_classes:
            self.image_classes = tuple(sorted({name for _, row in rows if (name := word(row[self.kind]))}))
        self.image_classes = tuple(map(str, self.image_classes))
        if not self.boxes:
            records = [self._record(row, number) for number, row in rows]
            files = [own_files(record)[:1] for record in records]
            if holds_boxes(list(rows[0][1])) and len(set(map(tuple, files))) < len(files):
                words = "an image has several rows; if each is a box, set data.boxes=auto"
                raise UserError(f"data.table={self.table}: {words}")
            return self.completed(records)
        settings = self.box_order, self.box_units, tuple(map(str, self.box_classes))
        found = BoxRows(rows, BoxSettings(self.table, self.boxes, self.box_class, *settings))
        self.box_classes = found.classes
        once = [(key, column) for key in COLUMNS if "box" not in key for column in self._columns(key)]
        by_number, image = dict(rows), self._columns("image")
        records = [
            self._record(by_number[numbers[0]], numbers[0], found.content(numbers))
            for numbers in joined(rows, image, once, self.table)
        ]
        unlisted, notes = self._unlisted(records) if len(image) == 1 else ([], [])
        return self.completed([*records, *unlisted], [*found.notes(rows), *self._whose(rows, image), *notes])

    def _rows(self) -> list[tuple[int, dict[str, Any]]]:
        path = self.folder / self.table
        rows = rows_of(path, f"data.table={path}")
        if not rows:
            raise UserError(f"data.table={path}: holds no rows")
        heads = list(rows[0][1])
        if self.boxes and self.image == "image" and "image" not in heads:
            self.image = known_column(IMAGES, heads, "image", "the image's name") or self.image
        if self.boxes == AUTO and not self.box_class:
            self.box_class = known_column(CLASSES, heads, "box_class", "the class of a box")
        for key in COLUMNS:
            for column in self._columns(key):
                if any(column not in row for _, row in rows):
                    rows_are_boxes = not self.boxes and holds_boxes(heads)
                    mend = "; if a row is a box, set data.boxes=auto" * rows_are_boxes
                    typed = getattr(self, key) != getattr(type(self), key)
                    words = f"data.{key}={column}: no such column in {path.name}"
                    words = words if typed else f"{path.name}: no column {column} (data.{key})"
                    raise UserError(f"{words}; there are {', '.join(heads)}{mend}")
        return rows

    def _kept(self, rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        for column in self.keep:
            if column not in rows[0][1]:
                there = ", ".join(rows[0][1])
                raise UserError(f"data.keep={as_typed(self.keep)}: no such column; there are {there}")
        wanted = {column: [word(value) for value in values] for column, values in self.keep.items()}
        kept = [(n, row) for n, row in rows if all(word(row.get(c)) in v for c, v in wanted.items())]
        if not kept:
            raise UserError(f"data.keep={as_typed(self.keep)}: keeps no row of {self.table}")
        return kept

    def _whose(self, rows: Rows, image: Sequence[str]) -> list[Fault]:
        """Return a note if a column seems to hold the patients, and nothing says so."""
        left = [c for c in rows[0][1] if c not in image and plain(c) in PATIENTS.split()]
        if self.subject or not left:
            return []
        words = f"{self.table}: if {left[0]} is the patient, data.subject={left[0]} keeps one in one split"
        return [Fault("", "patients", words, grave=False)]

    def _unlisted(self, records: Sequence[Record]) -> tuple[list[Record], list[Fault]]:
        """Return the images without a row, if they are to count as images without boxes, and a note."""
        used = {role: [file for record in records for file in files_of(record, role)] for role in ROLES}
        named, used_otherwise = used.pop("image"), [file for files in used.values() for file in files]
        others, apart = self.named.others(named, used_otherwise)
        notes = []
        if apart:
            words = (
                f"{len(apart)} images in other folders have no row in {self.table} ({few(apart)}) and are not"
            )
            notes.append(
                Fault("", "no row", f"{words} looked at; data.where='*/*' names all places", grave=False)
            )
        if not others:
            return [], notes
        key, words = "data.missing_label", f"{len(others)} images have no row in {self.table} ({few(others)})"
        if self.missing_label != "background":
            words += f" and are left out; {key}=background takes them as images without boxes"
            return [], [*notes, Fault("", "no row", words, grave=False)]
        roles = ("label", "target", "mask", "kind", "subject", "given_split", "given_fold", "case")
        if no := next((role for role in roles if self._columns(role)), ""):
            raise UserError(f"{key}=background: {words}, so no {no} (data.{no}); give them rows without box")
        blank: dict[str, Any] = {"boxes": [], "classes": []}
        made = [Record(case_of(file), case_of(file), None, {"image": [file]} | blank) for file in others]
        words += " and count as images without boxes"
        return made, [*notes, Fault("", "no row", words, grave=False)]

    def _record(
        self, row: dict[str, Any], number: int, boxes: Mapping[str, Any] = MappingProxyType({})
    ) -> Record:
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
        content |= boxes if side != "target" else {}
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

    def _columns(self, key: str) -> list[str]:
        given = self.maps if key == "instances" else getattr(self, key)
        return [] if (key, given) in (("mask", "auto"), ("boxes", AUTO)) else listed_columns(given or None)

    def _paths(self, row: dict[str, Any], key: str) -> list[str]:
        return [self._path(name) for name in names_in(row, self._columns(key)) if name]

    def _path(self, name: str) -> str:
        """Return the path of a file that the table names; backslashes count as slashes."""
        slashed = name if (self.folder / name).exists() else name.replace("\\", "/")
        return self.named.place(slashed, self.table) if self.where or self.boxes else slashed

    def _place(self, name: str, names: tuple[str, ...], key: str, number: int) -> int:
        if name not in names:
            known = f"data.{key}={as_typed(names)}"
            raise UserError(f"{self.table}, row {number}: {name} is not in {known}; add it")
        return names.index(name)
