"""Faults of a data set, each with the file or case that has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ganatomy.data.io.readers import ReadError, listening
from ganatomy.data.label_values import SEVERAL, distinct, thin
from ganatomy.data.quality.contract import breach, loaded
from ganatomy.data.records import IGNORED, Case, Fault, Record, Source, picture
from ganatomy.data.transforms.boxes import usable_boxes

FINE = 64
"""Second largest side from which classes on edges alone are noted; in smaller images structures are thin."""


def examined(record: Record, source: Source) -> tuple[Case | None, list[Fault]]:
    """Read a case; return its arrays, or None if they cannot be used, and its faults and notes."""
    try:
        with listening() as heard:
            case = loaded(record, source)
    except ReadError as error:
        return None, [Fault(record.case, "unreadable", str(error))]
    if wrong := breach(record, case, source):
        return None, [Fault(record.case, "contract", wrong)]
    notes = [Fault(record.case, "reading", words, grave=False) for words in heard]
    return case, [*notes, *inspect(record, case, source)]


def inspect(record: Record, case: Case, source: Source) -> list[Fault]:
    """Return the faults of the arrays of one case.

    Args:
        record: Record of the case.
        case: Arrays of the case, which keep the contract.
        source: Source of the case, for the names of its classes and files.
    """
    name = name_of(record, source)
    found = [
        *stated_differently(record, case, name),
        *_colour(record, name, source),
        *_image(record, case, name),
    ]
    if "label" in case:
        found += _label(record, case, name, source)
    if "mask" in case:
        found += _mask(record, case, name)
    if "boxes" in case:
        found += _boxes(record, case, name, source)
    return found


def stated_differently(record: Record, case: Case, name: str) -> Iterable[Fault]:
    """Yield a fault where the annotations state another size or number of channels than the file has.

    Args:
        record: Record; its content may hold `stated`, with `shape` (height, width) and `channels`.
        case: Arrays of the case.
        name: File or case to name.
    """
    stated = record.content.get("stated", {})
    shape = picture(case).shape[1:]
    if "shape" in stated and len(shape) == 2 and tuple(stated["shape"]) != shape:
        said, found = (f"{width}x{height}" for height, width in (stated["shape"], shape))
        words = f"{name}: its annotations are for an image of {said}, the file is {found} (width x height)"
        why = (
            "was it rotated by 90 degrees?"
            if tuple(stated["shape"]) == shape[::-1]
            else "was it resized or cropped after the boxes were drawn?"
        )
        yield Fault(record.case, "stated size", f"{words}: {why} Correct the file or its annotations")
    image = picture(case)
    if stated.get("channels") == 1 and len(image) == 3 and (image != image[0]).any():
        words = f"{name}: its annotations are for a grey image (depth 1), the file is in colour"
        yield Fault(record.case, "stated channels", words, grave=False)


def _colour(record: Record, name: str, source: Source) -> Iterable[Fault]:
    """Yield a note if a colour image is read as a grey one."""
    raw = getattr(source, "raw", {}).get(record.case)
    if raw is not None and raw.greyed:
        words = f"{name}: a colour image (3 channels), of which data.channels=1 reads the luminance"
        yield Fault(record.case, "colour", f"{words}; data.channels=3 keeps the colour", grave=False)


def name_of(record: Record, source: object) -> str:
    """Return the first file of a record's side, or its case if it has no file or is private."""
    if record.private:
        return record.case
    paths = getattr(source, "paths", None)
    files = paths(record, record.side or "image") if paths else []
    return str(files[0]) if files else record.case


def boxes_of_masks(masks: Sequence[tuple[int, int]]) -> list[Fault]:
    """Return a note if images have several mask files and the boxes made of them are not as many.

    `masks` holds (mask files, boxes) of each image.
    """
    files, boxes = (sum(column) for column in zip(*masks, strict=True)) if masks else (0, 0)
    if files == boxes or max((count for count, _ in masks), default=0) < 2:
        return []
    words = f"{files} mask files gave {boxes} boxes; data.instances sets what counts as one object"
    return [Fault("", "boxes of masks", f"{words} (files, values or parts)", grave=False)]


def _image(record: Record, case: Case, name: str) -> Iterable[Fault]:
    for key in ("image", "target"):
        if key not in case:
            continue
        values = case[key]
        values = values[case["present"]] if key == "image" and "present" in case else values
        if values.dtype.kind == "f" and (bad := int((~np.isfinite(values)).sum())):
            yield Fault(
                record.case,
                "not finite",
                f"{name}: {bad} values of the {key} are NaN or infinite; replace them",
            )
        elif values.min() == values.max():
            words = f"{name}: the {key} is constant ({values.flat[0]})"
            yield Fault(record.case, f"constant {key}", words, grave=False)
        if "image" in case and case["image"].shape[1:] != values.shape[1:]:
            shapes = f"{values.shape[1:]}, the image {case['image'].shape[1:]}"
            yield Fault(record.case, "shape", f"{name}: the {key} has the shape {shapes}")
    if "target" in case and "image" in case and not _overlap(case["image"], case["target"]):
        ranges = [f"{case[k].min():g} to {case[k].max():g} ({case[k].dtype})" for k in ("target", "image")]
        words = f"{name}: the target's values are {ranges[0]}, the image's {ranges[1]}"
        yield Fault(
            record.case,
            "units",
            f"{words}: are the units different? data.target_intensity sets the target's own",
            grave=False,
        )


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Return True if the overlap of the value ranges is at least half of their union."""
    (low, high), (bottom, top) = ((float(a.min()), float(a.max())) for a in (one, other))
    return not min(high, top) - max(low, bottom) < 0.5 * (max(high, top) - min(low, bottom))


def _label(record: Record, case: Case, name: str, source: Source) -> Iterable[Fault]:
    label, classes = case["label"], source.classes
    if label.shape[1:] != case["image"].shape[1:]:
        shapes = f"{label.shape[1:]}, the image {case['image'].shape[1:]}"
        yield Fault(record.case, "shape", f"{name}: the label has the shape {shapes}")
    low, high = int(label.min()), int(label.max())
    if low == IGNORED and getattr(source, "ignore_label", None) is not None:
        low = max(high, 0)
        if high == IGNORED:
            words = f"{name}: its label map is the ignore label alone: it teaches nothing and has no score"
            yield Fault(record.case, "ignored", words, grave=False)
    if classes and (low < 0 or high >= len(classes)):
        wrong = low if low < 0 else high
        yield Fault(
            record.case, "label value",
            f"{name}: label value {wrong}, but data.classes names 0 to {len(classes) - 1}; "
            "correct the label map, data.classes or data.label_values",
        )  # fmt: skip
    elif (
        high > SEVERAL
        and sorted(label.shape[1:])[-2] >= FINE
        and len(rims := thin(label, between=True)) >= max(SEVERAL, len(distinct(label)) / 2)
    ):
        some = ", ".join(classes[value] if classes else str(value) for value in rims[:3])
        words = f"{name}: {len(rims)} classes of its label map ({some}, ...) lie only on edges between others"
        why = "as interpolation leaves them: were masks resampled other than to the nearest voxel?"
        yield Fault(record.case, "edges", f"{words}, {why}", grave=False)


def _mask(record: Record, case: Case, name: str) -> Iterable[Fault]:
    mask = case["mask"]
    if mask.shape[1:] != case["image"].shape[1:]:
        shapes = f"{mask.shape[1:]}, the image {case['image'].shape[1:]}"
        yield Fault(record.case, "shape", f"{name}: the mask has the shape {shapes}")
    if not mask.any():
        words = f"{name}: its mask is empty, so nothing of it would be learned or scored; correct the mask"
        yield Fault(record.case, "empty mask", f"{words}, or leave the case out")


def _boxes(record: Record, case: Case, name: str, source: Source) -> Iterable[Fault]:
    boxes, shape = case["boxes"], case["image"].shape[1:]
    dims = len(shape)
    if boxes.shape[1:] != (2 * dims,):
        yield Fault(
            record.case, "box shape", f"{name}: boxes have {boxes.shape[-1]} numbers, {2 * dims} are needed"
        )
        return
    names = getattr(source, "box_classes", ())
    if (
        len(case["classes"])
        and names
        and not 0 <= case["classes"].min() <= case["classes"].max() < len(names)
    ):
        words = f"{name}: box class {case['classes'].max()}, but data.box_classes names {len(names)}, from 0"
        masks = "; name the values of the masks: data.classes, and data.label_values" * ("label" in case)
        yield Fault(record.case, "box class", words + masks)
    if len(boxes) and (boxes >= 0).all() and (boxes <= 1).all() and (boxes % 1 > 0).any():
        words = f"{name}: its boxes are fractions of the image (0 to 1), pixels are needed"
        yield Fault(record.case, "box unit", f"{words}; multiply them by its width and height")
        return
    twins = len(boxes) - len(np.unique(np.c_[boxes, case["classes"]], axis=0))
    if twins and np.isfinite(boxes).all():
        words = f"{name}: {twins} of its {len(boxes)} boxes are copies of another of the same class"
        yield Fault(record.case, "twin boxes", f"{words}; remove the copies", grave=False)
    _, usable = usable_boxes(boxes, shape)
    for number, box in enumerate(boxes):
        corners = ", ".join(f"{v:g}" for v in box)
        if not np.isfinite(box).all():
            words = f"{name}: box {number} ({corners}) has a corner that is NaN or infinite and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif (box[dims:] < box[:dims]).any():
            words = f"{name}: box {number} ({corners}) has its corners swapped and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif (box[dims:] == box[:dims]).any():
            words = f"{name}: box {number} ({corners}) has no area and is left out"
            yield Fault(record.case, "empty box", words, grave=False)
        elif not usable[number]:
            words = f"{name}: box {number} ({corners}) lies outside the image and is left out"
            yield Fault(record.case, "box outside", words, grave=False)
        elif (box[:dims] < 0).any() or (box[dims:] > shape).any():
            words = f"{name}: box {number} ({corners}) extends beyond the image ({shape}) and is clipped"
            yield Fault(record.case, "box outside", words, grave=False)
