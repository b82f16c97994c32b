"""Inventory of the targets of a data set, which may have other sizes, types and units than its images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganatomy.data.records import Case, Record


@dataclass
class TargetSide:
    """Targets that were read.

    Attributes:
        shapes: Case to the shape of its target, channels first.
        types: Data types of the targets as read, and how many have each.
        ranges: Case to its lowest and highest value.
        values: Split to a sample of the values of each case.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    values: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))

    def count(self, record: Record, case: Case, rng: np.random.Generator, each: int) -> None:
        """Add the target of a case, if it has one.

        Args:
            record: Record of the case.
            case: Arrays of the case.
            rng: Source of the sample.
            each: Size of the sample.
        """
        if "target" not in case:
            return
        target = case["target"]
        self.shapes[record.case] = target.shape
        self.types[str(target.dtype)] += 1
        self.ranges[record.case] = (float(target.min()), float(target.max()))
        sample = rng.choice(target.reshape(-1), min(each, target.size)).astype(np.float32)
        self.values[str(record.split)].append(sample)

    def facts(self) -> dict[str, str]:
        """Return name and text of facts about the targets; empty if there are none."""
        if not self.shapes:
            return {}
        lows, highs = zip(*self.ranges.values(), strict=True)
        return {
            "targets, shapes": spread(list(self.shapes.values()), "d"),
            "targets, read as": ", ".join(f"{name} ({n})" for name, n in self.types.most_common()),
            "targets, lowest value": f"{min(lows):.4g} to {max(lows):.4g}",
            "targets, highest value": f"{min(highs):.4g} to {max(highs):.4g}",
        }


def spread(rows: Sequence[tuple[Any, ...]], style: str) -> str:
    """Return one value per dimension, or its range.

    Args:
        rows: Values of each case.
        style: Format of a value.
    """
    parts = []
    for length in sorted({len(row) for row in rows}):
        columns = zip(*(row for row in rows if len(row) == length), strict=True)
        parts.append(" x ".join(_range(min(c), max(c), style) for c in columns))
    return "; ".join(parts)


def _range(low: Any, high: Any, style: str) -> str:
    return f"{low:{style}}" if f"{low:{style}}" == f"{high:{style}}" else f"{low:{style}}..{high:{style}}"
