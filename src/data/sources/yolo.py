"""YOLO: a text file of boxes, or of polygons, for each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ganatomy.data.problems import few, files_of
from ganatomy.data.quality.faults import name_of
from ganatomy.data.records import Case, Fault, Record, Split
from ganatomy.data.sources.annotations.outlines import outlined_objects
from ganatomy.data.sources.annotations.yolo_files import LISTS, About, Drawn, read_about, read_objects
from ganatomy.data.sources.files.places import placed
from ganatomy.data.sources.files.templates import Template, globbed, visible
from ganatomy.data.sources.folder import Folder
from ganatomy.data.splits.lists import NAMES
from ganatomy.errors import UserError

IMAGES, EVERYWHERE = "**/images/**/*", "**/*"


@dataclass(kw_only=True)
class Yolo(Folder):
    """Images in folders, and a text file for each: `labels/a/1.txt` of `images/a/1.png`, or beside it.

    An image whose file is empty or missing has no box. A task that learns from instance maps gets those of
    the polygons. Splits are those of data.yaml, else of folders called train, val and test, if every image is
    in one.

    Attributes:
        image: glob pattern below `root`; without a folder `images`, all images.
        boxes: template of the text files below `root`, see `Folder`; None: as above.
        names: data.yaml, or a text file with a name in each line; None: that in the folder, if there is one.
    """

    channels: int = 3
    image: str = IMAGES
    boxes: str | None = None
    names: str | None = None

    def records(self) -> list[Record]:
        if self.image == IMAGES and not globbed(self.folder, IMAGES):
            self.image = EVERYWHERE
        return super().records()

    def completed(self, records: Sequence[Record], notes: Sequence[Fault] = ()) -> list[Record]:
        """Return the records with the boxes of their text files and their splits, and the faults found.

        Args:
            records: Records of the images.
            notes: Faults and notes of the whole data set.

        Raises:
            UserError: No image has a text file, or one is not of YOLO.
        """
        about = read_about(self.folder, self.names)
        texts = [self._text(files_of(record)[0]) for record in records]
        if not any(texts):
            name = files_of(records[0])[0]
            raise UserError(
                f"data.root={self.root}: no image has a text file of boxes, e.g. {name}; say where they are: "
                "'data.boxes=\"labels/{stem}.txt\"'"
            )
        drawn = [read_objects(self.folder / text, about.keypoints) if text else [] for text in texts]
        self._name(about, drawn, texts)
        made = [
            replace(r, content=self._content(r, d, t)) for r, d, t in zip(records, drawn, texts, strict=True)
        ]
        dealt, more = self._dealt(made, about)
        alone = self._alone_texts({text for text in texts if text}, about)
        kept = notes if self.image != EVERYWHERE else [note for note in notes if note.kind != "passed over"]
        return super().completed(dealt, [*kept, *_notes(texts, drawn), *alone, *more])

    def load(self, record: Record) -> Case:
        case = super().load(record)
        if "outlines" not in record.content:
            return case
        shape = case["image"].shape[1:]
        outlines = [
            (np.reshape(o, (-1, 2)) * shape[::-1]).ravel().tolist() for o in record.content["outlines"]
        ]
        return case | outlined_objects(outlines, record.content["classes"], [], shape, name_of(record, self))

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Return the text files below the folder by their path in small letters."""
        found = (path.relative_to(self.folder).as_posix() for path in visible(self.folder, EVERYWHERE))
        return {path.lower(): path for path in found if path.lower().endswith(".txt")}

    def _text(self, image: str) -> str | None:
        """Return the text file of an image; None if there is none."""
        if self.boxes:
            words = self._words(self.folder / image)
            return self._texts.get(Template(self.boxes, "boxes").filled(words).removeprefix("./").lower())
        path = PurePosixPath(image).with_suffix(".txt")
        folders = [folder.lower() for folder in path.parts[:-1]]
        tries = [path]
        if "images" in folders:
            last = len(folders) - 1 - folders[::-1].index("images")
            tries.insert(0, PurePosixPath(*path.parts[:last], "labels", *path.parts[last + 1 :]))
        return next((self._texts[str(p).lower()] for p in tries if str(p).lower() in self._texts), None)

    def _name(self, about: About, drawn: Sequence[Sequence[Drawn]], texts: Sequence[str | None]) -> None:
        """Name the classes. Raises UserError if a row has a number beyond the names."""
        most = max((each.number for objects in drawn for each in objects), default=-1)
        if not self.box_classes:
            self.box_classes = about.names or tuple(str(number) for number in range(max(most, 0) + 1))
        if most >= len(self.box_classes):
            text = next(t for t, d in zip(texts, drawn, strict=True) if any(o.number == most for o in d))
            where = about.path.name if about.path else "data.box_classes"
            raise UserError(
                f"{self.folder / str(text)}: class {most}, but {where} names {len(self.box_classes)} "
                f"({few(list(self.box_classes))}), counted from 0"
            )

    def _content(self, record: Record, drawn: Sequence[Drawn], text: str | None) -> Mapping[str, Any]:
        found = {"boxes": [each.box for each in drawn], "classes": [each.number for each in drawn]}
        more: dict[str, Any] = {"box_units": "relative"}
        if self.with_instances:
            if any(not each.outline for each in drawn):
                raise UserError(
                    f"{self.folder / str(text)}: holds boxes without a polygon; draw these, or learn boxes "
                    "alone (task.instances=false)"
                )
            more["outlines"] = [each.outline for each in drawn]
        return {**record.content, **found, **more}

    def _dealt(self, records: Sequence[Record], about: About) -> tuple[list[Record], list[Fault]]:
        """Return the records with their splits, and a note about what is in none."""
        if self.splits or self.given_split:
            return list(records), []
        if not about.splits:
            return _by_folders(records), []
        images = [files_of(record)[0] for record in records]
        parts: dict[str, Split] = {}
        lost = []
        for split, places in about.splits.items():
            for place in places:
                own = self._images_of(place, images)
                lost += [] if own else [f"{split}: {place}"]
                for image in own:
                    if parts.setdefault(image, split) != split:
                        raise UserError(
                            f"{about.path}: {image} is in {parts[image]} and in {split}; give each its own "
                            "(without val, a part of train becomes it: data.split), or set data.splits"
                        )
        if not parts:
            raise UserError(
                f"{about.path}: none of its images are below data.root ({lost[0]}); correct its paths"
            )
        notes = [f"{about.path}: no image of {few(lost)} is below data.root"] if lost else []
        left = [image for image in images if image not in parts]
        if left:
            notes.append(f"{len(left)} images are in no split of {about.path} and are left out: {few(left)}")
        dealt = [replace(r, split=parts[i]) for r, i in zip(records, images, strict=True) if i in parts]
        return dealt, [Fault("", "split of images", note, grave=False) for note in notes]

    def _images_of(self, place: str, images: Sequence[str]) -> list[str]:
        """Return the images of a path in data.yaml, a folder or a list; leading folders may differ here."""
        parts = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for first in range(len(parts)):
            path = self.folder.joinpath(*parts[first:])
            if path.is_dir():
                within = "/".join(parts[first:])
                return [image for image in images if image.startswith(f"{within}/")]
            if path.is_file() and path.suffix.lower() == ".txt":
                lines = path.read_text(encoding="utf-8-sig").splitlines()
                named = {placed(self.folder, "", line.strip()) for line in lines if line.strip()}
                return [image for image in images if image in named]
        return []

    def _alone_texts(self, used: set[str], about: About) -> list[Fault]:
        """Return a fault about text files of boxes beside those of images, which belong to no image."""
        folders = {PurePosixPath(text).parent for text in used}
        left = [
            text for text in self._texts.values()
            if text not in used and PurePosixPath(text).parent in folders and Path(text).name not in LISTS
            and self._of_boxes(text, about.keypoints)
        ]  # fmt: skip
        if not left:
            return []
        words = f"{len(left)} text files of boxes belong to no image: {few(left)}"
        return [Fault("", "boxes without image", f"{words}; correct their names, or remove them")]

    def _of_boxes(self, text: str, keypoints: bool) -> bool:
        try:
            read_objects(self.folder / text, keypoints)
        except UserError:
            return False
        return True


def _by_folders(records: Sequence[Record]) -> list[Record]:
    """Return the records with the split of the folder that each is in, if all are in one of that name."""
    found = []
    for record in records:
        folders = {folder.lower() for folder in PurePosixPath(files_of(record)[0]).parts[:-1]}
        found.append({NAMES[folder] for folder in folders & NAMES.keys()})
    if not all(len(splits) == 1 for splits in found):
        return list(records)
    return [replace(record, split=splits.pop()) for record, splits in zip(records, found, strict=True)]


def _notes(texts: Sequence[str | None], drawn: Sequence[Sequence[Drawn]]) -> list[Fault]:
    """Return notes about images without a text file, and rows that are more than a box."""
    notes = []
    if bare := texts.count(None):
        notes.append(
            ("no boxes", f"{bare} of {len(texts)} images have no text file and count as images without boxes")
        )
    kinds = Counter(
        "polygon" if each.outline else "scored" for objects in drawn for each in objects
        if each.outline or each.scored
    )  # fmt: skip
    if kinds["polygon"]:
        notes.append(
            ("polygons", f"{kinds['polygon']} objects are polygons, of which the bounds are the boxes")
        )
    if kinds["scored"]:
        notes.append(
            ("scores of boxes", f"{kinds['scored']} boxes have a sixth number, a confidence; it is not read")
        )
    return [Fault("", kind, words, grave=False) for kind, words in notes]
