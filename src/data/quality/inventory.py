"""Inventory of a data set: counts, shapes, types, intensities and faults, from reading it once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes

from ganatomy.data.label_values import counts
from ganatomy.data.problems import files_of
from ganatomy.data.quality.duplicates import BITS, Fingerprint, fingerprint, pairs
from ganatomy.data.quality.faults import boxes_of_masks, examined
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.quality.objects import Objects
from ganatomy.data.quality.raw import read_in, types_of, units_of
from ganatomy.data.quality.target_side import TargetSide, spread
from ganatomy.data.records import Case, Fault, Record, Source, picture
from ganatomy.data.transforms.boxes import usable_boxes
from ganatomy.data.transforms.intensity import Intensity, ends, shown
from ganatomy.data.transforms.prepare import Preparation

VALUES = 2_000_000
"""Intensities kept for the histogram, of all cases together."""


@dataclass
class Inventory:
    """Inventory of a data set; only readable cases are counted.

    Attributes:
        records: Records of all cases.
        faults: Faults and notes.
        alike: Near-duplicates of different splits, with their correlation.
        shapes: Case to the shape of its image, channels first.
        spacings: Case to its spacing in mm, or in pixels.
        types: Data types of the images as read, and how many images have each.
        axes: Directions of the axes of volumes, such as RAS, and how many volumes have each.
        ranges: Case to its lowest and highest intensity.
        image_classes: Split to the number of images of each class.
        boxes: Split to the number of boxes of each class that can be used.
        voxels: Split to the number of voxels of each label value.
        values: Split to a sample of the intensities of each case.
        targets: The targets, where cases have them.
        objects: Counts and sizes of objects, where cases have boxes.
    """

    records: Sequence[Record]
    faults: list[Fault] = field(default_factory=list)
    alike: list[tuple[Record, Record, float]] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    spacings: dict[str, tuple[float, ...]] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)
    axes: Counter[str] = field(default_factory=Counter)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    image_classes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    boxes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    voxels: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    values: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    targets: TargetSide = field(default_factory=TargetSide)
    objects: Objects = field(default_factory=Objects)

    @property
    def usable(self) -> list[Record]:
        """Return the records that could be read."""
        return [record for record in self.records if record.case in self.shapes | self.targets.shapes]

    @property
    def grave(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.grave]


def take(
    records: Sequence[Record],
    source: Source,
    bits: int = BITS,
    step: Callable[[Record, Case | None], None] = lambda r, c: None,
) -> Inventory:
    """Read every case once and return the inventory.

    Args:
        records: Records of all cases.
        source: Source that reads them.
        bits: Maximum number of different bits of the hashes of near-duplicates.
        step: Called after each case with its record, and its arrays or None if they cannot be used.
    """
    found = Inventory(records, leaks(records))
    prints: list[tuple[Record, Fingerprint]] = []
    masks: list[tuple[int, int]] = []
    each = max(16, VALUES // max(1, len(records)))
    for number, record in enumerate(records):
        case, faults = examined(record, source)
        found.faults += faults
        if case is None:
            step(record, None)
            continue
        _count(found, record, case, np.random.default_rng(number), each)
        masks.append((len(files_of(record, "label")), len(case["boxes"])) if _boxed(record, case) else (0, 0))
        prints.append((record, fingerprint(picture(case))))
        step(record, case)
    found.faults += [*boxes_of_masks(masks), *_nothing(found, source)]
    _compare(found, prints, bits)
    return found


def _boxed(record: Record, case: Case) -> bool:
    """Return True if the boxes were made of the masks."""
    return "boxes" in case and "label" in case and "boxes" not in record.content


def _count(found: Inventory, record: Record, case: Case, rng: np.random.Generator, each: int) -> None:
    if "image" not in case:
        found.targets.count(record, case, rng, each)
        return
    image, split = case["image"], str(record.split)
    found.shapes[record.case] = image.shape
    found.spacings[record.case] = tuple(float(s) for s in case["spacing"])
    found.types[str(image.dtype)] += 1
    if image.ndim == 4 and not np.array_equal(case["affine"], np.eye(4)):
        codes: Any = aff2axcodes(case["affine"])  # type: ignore[no-untyped-call]
        found.axes["".join(codes)] += 1
    found.ranges[record.case] = (float(image.min()), float(image.max()))
    found.values[split].append(rng.choice(image.reshape(-1), min(each, image.size)).astype(np.float32))
    found.targets.count(record, case, rng, each)
    if "class" in case:
        found.image_classes[split][int(case["class"])] += 1
    if "boxes" in case:
        boxes, usable = usable_boxes(case["boxes"], image.shape[1:])
        found.objects.add(case | {"boxes": boxes[usable]})
        found.boxes[split].update(int(c) for c in case["classes"][usable])
    if "label" in case:
        found.voxels[split].update(counts(case["label"]))


def _nothing(found: Inventory, source: Source) -> list[Fault]:
    """Return a note if no label map of the data set marks anything, or no image has a usable box.

    Beside grave faults there is none: the cases that are left do not stand for the data set.
    """
    if found.grave:
        return []
    notes = []
    voxels, boxes = (sum(by_split.values(), Counter()) for by_split in (found.voxels, found.boxes))
    if voxels and not any(value > 0 for value in voxels):
        zero = source.classes[0] if source.classes else "0"
        words = f"no label map marks anything: all voxels are {zero}; correct data.label or data.label_values"
        notes.append(Fault("", "nothing marked", f"{words} (segmentation would be refused)", grave=False))
    if found.objects.counts and not boxes:
        words = f"none of the {len(found.objects.counts)} images has a box (detection would be refused)"
        notes.append(Fault("", "no boxes", words, grave=False))
    return notes


def _compare(found: Inventory, prints: Sequence[tuple[Record, Fingerprint]], bits: int) -> None:
    """Add near-duplicates between splits; constant images, which are all alike, are skipped."""
    kept = [(record, p) for record, p in prints if p.picture.std() > 0]
    for i, j, alike in pairs([p for _, p in kept], [str(record.split) for record, _ in kept], bits):
        one, other = kept[i][0], kept[j][0]
        found.alike.append((one, other, alike))
        names = f"{one.case} ({one.split}) and {other.case} ({other.split})"
        words = f"{names} are near-duplicates (correlation {alike:.3f})"
        found.faults.append(
            Fault(
                one.case, "near-duplicate", f"{words}; put both in one split (data.split_file)", grave=False
            )
        )


def facts(found: Inventory, source: Source) -> dict[str, str]:
    """Return name and text of facts: files, shapes, spacings, types and intensities, with their ranges."""
    if not found.shapes:
        return {}
    lows, highs = zip(*found.ranges.values(), strict=True)
    types = types_of(source) or found.types
    return {
        **read_in(source, found.records, found.axes),
        "shapes (channels first)": spread(list(found.shapes.values()), "d"),
        f"spacing, {units_of(source, found.records)}": spread(list(found.spacings.values()), ".3g"),
        "stored as": ", ".join(f"{name} ({n})" for name, n in types.most_common()),
        "lowest intensity": f"{min(lows):.4g} to {max(lows):.4g}",
        "highest intensity": f"{min(highs):.4g} to {max(highs):.4g}",
        **found.targets.facts(),
        **found.objects.facts(),
    }


def depths(found: Inventory, source: Source, intensity: Intensity) -> list[Fault]:
    """Return a note if files of 8 bits and of more get one window, or none: their numbers have other ranges.

    Args:
        found: What was read.
        source: Where it came from.
        intensity: Setting `data.intensity`.
    """
    types = types_of(source) or found.types
    whole = {name: count for name, count in types.items() if np.dtype(name).kind in "ui"}
    small = {name for name in whole if np.dtype(name).itemsize == 1}
    several = isinstance(intensity, list | tuple) and not ends(intensity)
    each: list[Any] = list(intensity or ()) if several else [intensity]
    if not small or len(small) == len(whole) or not any(one == "none" or ends(one) for one in each):
        return []
    stored = ", ".join(f"{name} ({count})" for name, count in sorted(whole.items()))
    words = (
        f"data.intensity={shown(intensity)} is one scale for all, but files are stored as {stored}, whose "
        "numbers may have other ranges; zscore, percentile and range are of each image"
    )
    return [Fault("", "depths", words, grave=False)]


def settings(found: Inventory, preparation: Preparation, regions: str = "") -> dict[str, str]:
    """Return name and text of the settings that prepare the images for a network.

    Args:
        found: What was read.
        preparation: Preparation of the data set.
        regions: Its regions in words, if it has any.
    """
    more = {"regions": regions} if regions else {}
    if not found.shapes:
        return more
    texts = {"data.intensity": _way(preparation.intensity)}
    if preparation.target_intensity is not None:
        texts["data.target_intensity"] = _way(preparation.target_intensity)
    size = preparation.size
    return texts | {"data.size": "each image keeps its own" if size is None else shown(size)} | more


def _way(intensity: Intensity) -> str:
    """Return an intensity setting as it is typed; a window says what it is mapped to."""
    return shown(intensity) + (" mapped to 0 to 1" if ends(intensity) else "")
