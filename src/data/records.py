"""What a data set is made of: records, and the source that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Case = dict[str, np.ndarray]
"""Arrays of one case: `image` [C,*spatial] and, where the data set has them, `label` [1,*spatial],
`target` [C,*spatial], `boxes` [N,2*dims] in voxels (lower corner, upper corner), `classes` [N], `class`
[], `affine` [4,4] (voxel to mm), `spacing` [dims] in mm."""


@dataclass(frozen=True)
class Record:
    """One case: its name (unique), the person it belongs to, and where its content is."""

    case: str
    subject: str
    split: Split | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    stratum: str = ""


class Source(Protocol):
    """A data set. `spatial_dims` is the network's: volumes of a source with 2 are served slice by slice
    (the last axis)."""

    channels: int
    spatial_dims: int
    classes: tuple[str, ...]
    """Names of the values of `label`, background first; empty without label maps."""

    def records(self) -> list[Record]:
        """Every case, in a fixed order, without reading a pixel."""
        ...

    def load(self, record: Record) -> Case:
        """Raw arrays, in the data set's own units."""
        ...

    def fingerprint(self, record: Record) -> str:
        """Changes whenever what `load` returns would."""
        ...
