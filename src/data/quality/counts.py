"""Table of what a data set holds: cases, subjects and classes by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ganatomy.data.io.regions import Overlapping
from ganatomy.data.quality.inventory import Inventory
from ganatomy.data.records import IGNORED, SPLITS, Source

MANY = 30
"""With more classes than these the table gives the smallest and the largest number in place of each."""


def table(
    found: Inventory, source: Source, regions: Overlapping | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of a table with one row per split.

    It counts cases, subjects, images and targets where these are not as many, and images and boxes of each
    class, and gives the percentage of the voxels of each label, region and ignore label; with more classes
    than `MANY`, the smallest and the largest of these numbers.

    Args:
        found: What was read.
        source: Names the classes.
        regions: Regions of these.
    """
    present = {str(record.split) for record in found.records}  # None: with a fault
    splits, heads = [s for s in (*SPLITS, "None") if s in present], ["split", "cases", "subjects"]
    sides = [found.shapes, found.targets.shapes] if found.targets.shapes else []
    if sides and sides[0].keys() != sides[1].keys():
        heads += ["images", "targets"]
    rows: list[list[str]] = []
    for split in splits:
        members = [record for record in found.records if str(record.split) == split]
        rows.append(
            [
                "no split" if split == "None" else split,
                str(len(members)),
                str(len({record.subject for record in members})),
                *(str(sum(record.case in side for record in members)) for side in sides if len(heads) > 3),
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
        heads += [f"{prefix}per class ({len(names)})"] if many else [f"{prefix}{name}" for name in names]
        for row, split in zip(rows, splits, strict=True):
            total = sum(found_of[split].values()) or 1
            each = [found_of[split][value] * (100 / total if share else 1) for value in range(len(names))]
            texts = [f"{value:.3g}" if share else str(value) for value in (sorted(each) if many else each)]
            row += [f"{texts[0]} to {texts[-1]}"] if many else texts
    more = {} if regions is None else regions.columns
    more |= {"ignored": (IGNORED,)} if any(voxels[IGNORED] for voxels in found.voxels.values()) else {}
    heads += [f"% {name}" for name in more]
    for row, split in zip(rows, splits, strict=True):
        voxels = found.voxels[split]
        total = sum(voxels.values()) or 1
        row += [f"{sum(voxels[value] for value in values) * 100 / total:.3g}" for values in more.values()]
    return heads, rows


def narrow(heads: list[str], rows: list[list[str]], width: int) -> tuple[list[str], list[list[str]]]:
    """Return the table, transposed if it is wider than `width`.

    Args:
        heads: Heads of the columns.
        rows: Rows of cells.
        width: Available width in characters.
    """
    columns = list(zip(heads, *rows, strict=True))
    if sum(max(map(len, column)) + 3 for column in columns) <= width:
        return heads, rows
    first, *others = columns
    return list(first), [list(column) for column in others]
