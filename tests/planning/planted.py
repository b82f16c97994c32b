"""A data set of planted arrays, and fingerprints that were made up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Literal

from ganatomy.data.records import Case, Record, Split
from ganatomy.planning.draft import Draft
from ganatomy.planning.fingerprint import Fingerprint

Drafted = Callable[..., Draft]
LABELS: dict[str, Any] = {
    "classes": ("background", "organ"),
    "voxels": {"background": 0.9, "organ": 0.1},
    "holds": {"background": 1.0, "organ": 1.0},
    "thickness": {"organ": 20.0},
    "has": ("label",),
}
"""Facts of a set with one organ."""


class Planted:
    """Cases as they were given; it remembers which of them were read."""

    def __init__(
        self,
        dims: Literal[2, 3],
        cases: list[Case],
        classes: tuple[str, ...] = (),
        box_classes: tuple[str, ...] = (),
        split: Split | None = "train",
    ) -> None:
        self.spatial_dims: Literal[2, 3] = dims
        self.channels, self.size, self.image_classes = 1, None, ()
        self.classes, self.box_classes, self.cases, self.split = classes, box_classes, cases, split
        self.loaded: list[str] = []

    def records(self) -> list[Record]:
        return [Record(f"c{n}", f"s{n}", self.split, {"n": n}) for n in range(len(self.cases))]

    def load(self, record: Record) -> Case:
        self.loaded.append(record.case)
        return self.cases[record.content["n"]]

    def fingerprint(self, record: Record) -> str:
        case = self.cases[record.content["n"]]
        return hashlib.sha256(b"".join(array.tobytes() for array in case.values())).hexdigest()

    content = fingerprint


def made_up(dims: int = 2, **facts: Any) -> Fingerprint:
    """Facts of a data set that never was; 2D pictures of 256x256 unless told otherwise."""
    sides = (256.0,) * 2 if dims == 2 else (64.0,) * 3
    known: dict[str, Any] = {
        "dims": dims,
        "channels": 1,
        "cases": {"train": 100, "val": 20, "test": 20},
        "shape": sides,
        "largest": facts.get("shape", sides),
        "spacing": (1.0,) * dims,
        "finest": facts.get("spacing", (1.0,) * dims),
    }
    return Fingerprint(**{**known, **facts})
