"""Everything that can be said of a data set after reading it once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes

from ganatomy.data.label_values import counts
from ganatomy.data.problems import files_of
from ganatomy.data.quality.duplicates import BITS, Print, fingerprint, pairs
from ganatomy.data.quality.faults import counted, examined, leaks
from ganatomy.data.quality.raw import read_in, types_of, units_of
from ganatomy.data.records import SPLITS, Case, Fault, Record, Source

VALUES = 2_000_000
"""Intensities remembered of all cases together."""
MANY = 30
"""With more kinds or labels than these, the least and the most of them are told in place of each."""


@dataclass
class Inventory:
    """What was found: one entry a readable case, in the order of the records."""

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

    @property
    def grave(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.grave]


def take(
    records: Sequence[Record],
    source: Source,
    bits: int = BITS,
    step: Callable[[Record, Case | None], None] = lambda r, c: None,
) -> Inventory:
    """Read every case once. `step` is called after each, with its arrays where it could be read."""
    found = Inventory(records, leaks(records))
    prints: list[tuple[Record, Print]] = []
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
        prints.append((record, fingerprint(case["image"])))
        step(record, case)
    found.faults += counted(masks)
    _compare(found, prints, bits)
    return found


def _boxed(record: Record, case: Case) -> bool:
    """Whether its boxes were made of its masks."""
    return "boxes" in case and "label" in case and "boxes" not in record.content


def _count(found: Inventory, record: Record, case: Case, rng: np.random.Generator, each: int) -> None:
    image, split = case["image"], str(record.split)
    found.shapes[record.case] = image.shape
    found.spacings[record.case] = tuple(float(s) for s in case["spacing"])
    found.types[str(image.dtype)] += 1
    if image.ndim == 4 and not np.array_equal(case["affine"], np.eye(4)):
        codes: Any = aff2axcodes(case["affine"])  # type: ignore[no-untyped-call]
        found.axes["".join(codes)] += 1
    found.ranges[record.case] = (float(image.min()), float(image.max()))
    found.values[split].append(rng.choice(image.reshape(-1), min(each, image.size)).astype(np.float32))
    if "class" in case:
        found.image_classes[split][int(case["class"])] += 1
    if "classes" in case:
        found.boxes[split].update(int(c) for c in case["classes"])
    if "label" in case:
        found.voxels[split].update(counts(case["label"]))


def _compare(found: Inventory, prints: Sequence[tuple[Record, Print]], bits: int) -> None:
    """Near-duplicates between splits; constant images, all alike, are left to their own fault."""
    kept = [(record, p) for record, p in prints if p.picture.std() > 0]
    for i, j, alike in pairs([p for _, p in kept], [str(record.split) for record, _ in kept], bits):
        one, other = kept[i][0], kept[j][0]
        found.alike.append((one, other, alike))
        names = f"{one.case} ({one.split}) and {other.case} ({other.split})"
        words = f"{names} are near-duplicates (correlation {alike:.3f})"
        found.faults.append(
            Fault(
                one.case, "near-duplicate", f"{words}; keep both on one side (data.split_file)", grave=False
            )
        )


def table(found: Inventory, source: Source) -> tuple[list[str], list[list[str]]]:
    """Heads and rows, a row a split: counts of cases, subjects, kinds and boxes, and the share of each
    label; of many, of the least and the most frequent."""
    splits = [s for s in (*SPLITS, "None") if any(str(r.split) == s for r in found.records)]  # None: faulty
    heads = ["split", "cases", "subjects"]
    rows: list[list[str]] = []
    for split in splits:
        mine = [record for record in found.records if str(record.split) == split]
        rows.append(
            [
                "in none" if split == "None" else split,
                str(len(mine)),
                str(len({record.subject for record in mine})),
            ]
        )
    columns: list[tuple[str, Sequence[str], dict[str, Counter[int]], bool]] = [
        ("", source.image_classes, found.image_classes, False),
        ("boxes ", source.box_classes, found.boxes, False),
        ("% ", source.classes, found.voxels, True),
    ]
    for prefix, names, found_of, share in columns:
        if not found_of:
            continue
        many = len(names) > MANY
        heads += [f"{prefix}each of {len(names)}"] if many else [f"{prefix}{name}" for name in names]
        for row, split in zip(rows, splits, strict=True):
            total = sum(found_of[split].values()) or 1
            each = [found_of[split][value] * (100 / total if share else 1) for value in range(len(names))]
            told = [f"{value:.3g}" if share else str(value) for value in (sorted(each) if many else each)]
            row += [f"{told[0]} to {told[-1]}"] if many else told
    return heads, rows


def narrow(heads: list[str], rows: list[list[str]], width: int) -> tuple[list[str], list[list[str]]]:
    """The table, turned on its side where its columns are wider than so many letters together."""
    columns = list(zip(heads, *rows, strict=True))
    if sum(max(map(len, column)) + 3 for column in columns) <= width:
        return heads, rows
    first, *others = columns
    return list(first), [list(column) for column in others]


def facts(found: Inventory, source: Source) -> dict[str, str]:
    """What was read, of what kind of files; shapes, spacings, types and intensities, least to most."""
    if not found.shapes:
        return {}
    lows, highs = zip(*found.ranges.values(), strict=True)
    types = types_of(source) or found.types
    return {
        **read_in(source, found.records, found.axes),
        "shapes (channels first)": _spread(list(found.shapes.values()), "d"),
        f"spacing, {units_of(source, found.records)}": _spread(list(found.spacings.values()), ".3g"),
        "stored as": ", ".join(f"{name} ({n})" for name, n in types.most_common()),
        "least intensity": f"{min(lows):.4g} to {max(lows):.4g}",
        "largest intensity": f"{min(highs):.4g} to {max(highs):.4g}",
    }


def _spread(rows: Sequence[tuple[Any, ...]], style: str) -> str:
    """One value a dimension, or its range."""
    parts = []
    for length in sorted({len(row) for row in rows}):
        columns = zip(*(row for row in rows if len(row) == length), strict=True)
        parts.append(" x ".join(_range(min(c), max(c), style) for c in columns))
    return "; ".join(parts)


def _range(low: Any, high: Any, style: str) -> str:
    return f"{low:{style}}" if f"{low:{style}}" == f"{high:{style}}" else f"{low:{style}}..{high:{style}}"
