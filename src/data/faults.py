"""What is wrong with a data set, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from src.data.boxes import usable_boxes
from src.data.records import SPLITS, Case, Record, Source


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one case. A grave one stops training; another is told."""

    case: str
    kind: str
    words: str
    grave: bool = True

    def __str__(self) -> str:
        return self.words


def inspect(record: Record, case: Case, source: Source) -> list[Fault]:
    """Faults of the arrays of one case, each naming its file or case."""
    name = name_of(record, source)
    found = [*_colour(record, name, source), *_image(record, case, name)]
    if "label" in case:
        found += _label(record, case, name, source)
    if "boxes" in case:
        found += _boxes(record, case, name, source)
    return found


def _colour(record: Record, name: str, source: Source) -> Iterable[Fault]:
    """A note on a colour image that is served as a grey one."""
    raw = getattr(source, "raw", {}).get(record.case)
    if raw is not None and raw.greyed:
        words = f"{name}: is a colour image (3 channels), of which data.channels=1 reads the luminance"
        yield Fault(record.case, "colour", f"{words}; data.channels=3 keeps the colour", grave=False)


def name_of(record: Record, source: Source) -> str:
    """The file of a record where it has one, else its case."""
    paths = getattr(source, "paths", None)
    files = paths(record, "image") if paths else []
    return str(files[0]) if files else record.case


def leaks(records: Iterable[Record]) -> list[Fault]:
    """Subjects on both sides of a split, and cases of one name."""
    records = list(records)
    sides: dict[str, set[str]] = defaultdict(set)
    for record in records:
        sides[record.subject].add(str(record.split))
    shared = {
        subject: [s for s in SPLITS if s in where] for subject, where in sides.items() if len(where) > 1
    }
    found = [
        Fault(
            r.case, "shared subject",
            f"{r.case}: its subject {r.subject} is in {' and in '.join(shared[r.subject])}; "
            "keep a subject on one side (data.split_file)",
        )
        for r in records
        if r.subject in shared and r.split == "train"
    ]  # fmt: skip
    names = [record.case for record in records]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    return found + [Fault(name, "name", f"{name}: two cases have this name; rename a file") for name in twice]


def _image(record: Record, case: Case, name: str) -> Iterable[Fault]:
    for key in ("image", "target"):
        if key not in case:
            continue
        values = case[key]
        if values.dtype.kind == "f" and (bad := int((~np.isfinite(values)).sum())):
            yield Fault(
                record.case,
                "not finite",
                f"{name}: {bad} values of the {key} are NaN or infinite; replace them",
            )
        elif values.min() == values.max():
            yield Fault(
                record.case, "constant", f"{name}: the {key} is constant ({values.flat[0]})", grave=False
            )
        if case["image"].shape[1:] != values.shape[1:]:
            shapes = f"{values.shape[1:]}, the image {case['image'].shape[1:]}"
            yield Fault(record.case, "shape", f"{name}: the {key} has the shape {shapes}")


def _label(record: Record, case: Case, name: str, source: Source) -> Iterable[Fault]:
    label, classes = case["label"], source.classes
    if label.shape[1:] != case["image"].shape[1:]:
        shapes = f"{label.shape[1:]}, the image {case['image'].shape[1:]}"
        yield Fault(record.case, "shape", f"{name}: the label has the shape {shapes}")
    low, high = int(label.min()), int(label.max())
    if classes and (low < 0 or high >= len(classes)):
        wrong = low if low < 0 else high
        yield Fault(
            record.case, "label value",
            f"{name}: label value {wrong}, but data.classes names 0 to {len(classes) - 1}; "
            "correct the label map, data.classes or data.label_values",
        )  # fmt: skip


def _boxes(record: Record, case: Case, name: str, source: Source) -> Iterable[Fault]:
    boxes, shape = case["boxes"], case["image"].shape[1:]
    dims = len(shape)
    if boxes.shape[1:] != (2 * dims,):
        yield Fault(
            record.case, "box shape", f"{name}: boxes of {boxes.shape[-1]} numbers in {dims} dimensions"
        )
        return
    names = getattr(source, "box_classes", ())
    if (
        len(case["classes"])
        and names
        and not 0 <= case["classes"].min() <= case["classes"].max() < len(names)
    ):
        yield Fault(record.case, "box class", f"{name}: box class {case['classes'].max()} of {len(names)}")
    _, usable = usable_boxes(boxes, shape)
    for number, box in enumerate(boxes):
        corners = ", ".join(f"{v:g}" for v in box)
        if not np.isfinite(box).all():
            words = f"{name}: box {number} ({corners}) holds no number at a corner and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif (box[dims:] < box[:dims]).any():
            words = f"{name}: box {number} ({corners}) has its corners exchanged and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif (box[dims:] == box[:dims]).any():
            words = f"{name}: box {number} ({corners}) has no area and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif not usable[number]:
            words = f"{name}: box {number} ({corners}) lies outside the image and is left out"
            yield Fault(record.case, "box outside", words, grave=False)
        elif (box[:dims] < 0).any() or (box[dims:] > shape).any():
            words = f"{name}: box {number} ({corners}) reaches out of the image ({shape}) and is cut"
            yield Fault(record.case, "box outside", words, grave=False)
