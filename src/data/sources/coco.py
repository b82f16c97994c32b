"""COCO: one JSON file of boxes for all images, or one a split."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.records import SPLITS, Record, Split
from src.data.sources.files import Files
from src.errors import UserError


@dataclass(kw_only=True)
class Coco(Files):
    """Boxes of the `instances` files; classes are the categories in the order of their numbers.

    annotations: a JSON file below `root`, or one for each split. images: the folder of the images,
    {split} may stand in it. crowd: keep the boxes marked iscrowd.
    """

    channels: int = 3
    annotations: str | Mapping[str, str] = "annotations.json"
    images: str = "images"
    crowd: bool = False

    def records(self) -> list[Record]:
        files: dict[Split | None, str] = {}
        if isinstance(self.annotations, str):
            files[None] = self.annotations
        else:
            files |= {split: self.annotations[split] for split in SPLITS if split in self.annotations}
            if unknown := set(self.annotations) - set(SPLITS):
                raise UserError(f"data.annotations: {unknown.pop()} is no split; choose train, val, test")
        parsed = {split: self._parse(name) for split, name in files.items()}
        categories = {c["id"]: c["name"] for about in parsed.values() for c in about["categories"]}
        if not self.box_classes:
            self.box_classes = tuple(categories[key] for key in sorted(categories))
        return [
            record
            for split, about in parsed.items()
            for record in self._records(split, about, categories, files[split])
        ]

    def _parse(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            about: dict[str, Any] = json.loads(path.read_text())
            if missing := {"images", "annotations", "categories"} - set(about):
                raise ValueError(f"has no {', '.join(sorted(missing))}")
        except (OSError, ValueError) as error:
            raise UserError(f"data.annotations={path}: is no COCO file ({error})") from error
        return about

    def _records(
        self, split: Split | None, about: dict[str, Any], categories: dict[int, str], file: str
    ) -> list[Record]:
        boxes: dict[int, list[tuple[list[float], int]]] = defaultdict(list)
        known = {image["id"] for image in about["images"]}
        for row, note in enumerate(about["annotations"]):
            place = f"{self.folder / file}, annotation {note.get('id', row)}"
            if note.get("image_id") not in known:
                raise UserError(f"{place}: there is no image {note.get('image_id')}; correct its image_id")
            name = categories.get(note.get("category_id", -1), "")
            if name not in self.box_classes:
                known_names = list(self.box_classes)
                raise UserError(
                    f"{place}: category {note.get('category_id')} is none of data.box_classes={known_names}"
                )
            if not note.get("iscrowd") or self.crowd:
                box = self._box(note, place)
                boxes[note["image_id"]].append((box, list(self.box_classes).index(name)))
        records = []
        for image in about["images"]:
            name = (Path(self.images.format(split=split or "")) / image["file_name"]).as_posix()
            pairs = boxes.get(image["id"], [])
            content = {"image": name, "boxes": [b for b, _ in pairs], "classes": [c for _, c in pairs]}
            case = name.rpartition(".")[0].replace("/", "_")
            records.append(Record(case, str(image.get("patient_id", case)), split, content))
        return sorted(records, key=lambda record: record.case)

    @staticmethod
    def _box(note: Mapping[str, Any], place: str) -> list[float]:
        try:
            x, y, w, h = (float(value) for value in note["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{place}: its bbox is not [x, y, width, height]") from error
        return [y, x, y + h, x + w]
