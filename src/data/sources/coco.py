"""COCO: bounding boxes in one JSON file, or one per split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganatomy.data.io.text_tables import word
from ganatomy.data.problems import blamed
from ganatomy.data.quality.faults import name_of
from ganatomy.data.records import SPLITS, Case, Fault, Record, Split
from ganatomy.data.sources.annotations.categories import joined
from ganatomy.data.sources.annotations.coco_file import CocoFile, box_of
from ganatomy.data.sources.annotations.outlines import outlined_objects
from ganatomy.data.sources.files.listed import ListedFiles
from ganatomy.data.sources.files.places import case_of, placed, whole_number
from ganatomy.data.sources.files.templates import subject_of, words_of
from ganatomy.data.splits.lists import split_named
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed


@dataclass(kw_only=True)
class Coco(ListedFiles):
    """Boxes of COCO `instances` files; an annotation without a box gets the box of its segmentation.

    A task that learns from instance maps gets those of the segmentations, and their boxes.

    Classes are merged by name over the files, in the order of the category numbers.

    Attributes:
        annotations: a JSON file below `root`, or one for each split.
        images: the folder of the images; it may contain {split}.
        match: a regular expression searched in the path of an image, whose named groups become words.
        subject: template of the subject by the words of an image (see conf/data/folder.yaml); None: the
            `patient_id` of the image in the file, else each image is a subject.
        crowd: keep objects marked iscrowd. Without them their pixels count as unknown in instance maps.
    """

    channels: int = 3
    annotations: str | Mapping[str, str] = "annotations.json"
    images: str = "images"
    crowd: bool = False
    match: str | None = None
    subject: str | None = None

    def records(self) -> list[Record]:
        files = {split: CocoFile(self.folder / name) for split, name in self._named().items()}
        names, notes = joined({file.path.name: file.categories for file in files.values()})
        if not self.box_classes:
            self.box_classes = names
        records = [record for split, file in files.items() for record in self._records(split, file)]
        return self.completed(records, notes)

    def _named(self) -> dict[Split | None, str]:
        """Return the file of each split. Raises UserError for an unknown split, or one file given twice."""
        if isinstance(self.annotations, str):
            return {None: self.annotations}
        found: dict[Split | None, str] = {}
        for key, name in self.annotations.items():
            split = split_named(key, "data.annotations")
            if split in found:
                raise UserError(f"data.annotations: {split} has two files, {found[split]} and {name}")
            if name in found.values():
                raise UserError(f"data.annotations: {name} is given for two splits; give each its own")
            found[split] = name
        return {split: found[split] for split in SPLITS if split in found}

    def load(self, record: Record) -> Case:
        case = super().load(record)
        if "outlines" not in record.content:
            return case
        about, shape = record.content, case["image"].shape[1:]
        name = name_of(record, self)
        return case | outlined_objects(about["outlines"], about["classes"], about["crowds"], shape, name)

    def _records(self, split: Split | None, file: CocoFile) -> list[Record]:
        objects = self._objects(file)
        records = []
        patients = any(word(image.get("patient_id")) for image in file.images.values())
        for key, image in file.images.items():
            name = placed(self.folder, self.images.format(split=split or ""), str(image["file_name"]))
            content: dict[str, Any] = {"image": name} | objects[key]
            if shape := _shape(image):
                content["stated"] = {"shape": shape}
            case, patient = case_of(name), word(image.get("patient_id"))
            subject = subject_of(words_of(name, self.match), self.subject, patient or case)
            record = Record(case, subject, split, content)
            if patients and not self.subject and not patient:
                words = f"{file.path}: {name} has no patient_id, but others have; add one"
                record = blamed(record, Fault(case, "gap", words))
            records.append(record)
        return sorted(records, key=lambda record: record.case)

    def _objects(self, file: CocoFile) -> dict[Any, dict[str, list[Any]]]:
        """Return `boxes` and `classes` of each image by its id, and for instance maps the segmentations.

        `outlines` are those of the boxes; `crowds` those of the groups that are left out.
        """
        kinds = ("boxes", "classes") + (("outlines", "crowds") if self.with_instances else ())
        found: dict[Any, dict[str, list[Any]]] = {key: {kind: [] for kind in kinds} for key in file.images}
        for row, note in enumerate(file.annotations):
            place = f"{file.path}, annotation {note.get('id', row)}"
            image = file.images.get(note.get("image_id"))
            if image is None:
                number = json.dumps(note.get("image_id"))
                raise UserError(f"{place}: there is no image {number}; correct its image_id")
            name = file.categories.get(note.get("category_id"), "")
            if name not in self.box_classes:
                which = f"category {as_typed(note.get('category_id'))} ({name or 'without a name'})"
                raise UserError(
                    f"{place}: {which} is not in data.box_classes={as_typed(self.box_classes)}; add it, or "
                    "correct category_id"
                )
            own, drawn = found[note["image_id"]], note.get("segmentation")
            counts, outlined = self.crowd or not note.get("iscrowd"), self.with_instances
            if outlined and counts and not drawn:
                raise UserError(
                    f"{place}: has no segmentation; draw one, or learn boxes alone (task.instances=false)"
                )
            if not counts and not (outlined and drawn):
                continue
            box = box_of(note, _shape(image), place)
            if counts:
                own["boxes"].append(box)
                own["classes"].append(list(self.box_classes).index(name))
            if outlined:
                own["outlines" if counts else "crowds"].append(drawn)
        return found


def _shape(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the (height, width) that the file states; None if it states none or 0."""
    height, width = (whole_number(image.get(side)) for side in ("height", "width"))
    return (height, width) if height and width else None
