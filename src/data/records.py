"""What a data set is made of: records, what is wrong with them, and the source that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Case = dict[str, np.ndarray]
"""Arrays of one case: `image` [C,*spatial], `affine` [4,4] (voxel to mm, of pictures too), `spacing` [dims]
(mm) and, where the data set has them, `label` [1,*spatial], `target` [C,*spatial], `class` [], and `boxes`
[N,2*dims] with `classes` [N]: lower corner, then upper corner, in voxels, in the order of the array's axes
(rows first); voxel i covers i to i + 1."""

Batch = dict[str, Any]
"""Rows of several cases, a plain dict: `image` [B,C,*spatial] float and, where the data set has them, `label`
[B,1,*spatial] integer, `target` [B,C,*spatial] float, `class` [B], `boxes` list of [N,2*dims] in voxels with
`classes` list of [N]; `case` and `subject`, lists of str; `offset`, `scale`, `affine` and `spacing` of each
row, and `slice` [B] where rows are slices."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one case. A grave one stops training; another is told."""

    case: str
    kind: str
    words: str
    grave: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Record:
    """One case: its name (unique), the person it belongs to, and where its content is.

    split, fold: given by the data set, if at all. stratum: what splits shall deal out evenly, such as the
    diagnosis. problems: what its source found wrong with it before a pixel was read, and, on the first
    record, with the set as a whole (faults of no case); who has a grave one is dealt into no split.
    """

    case: str
    subject: str
    split: Split | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    stratum: str = ""
    fold: int | None = None
    problems: tuple[Fault, ...] = ()


class Source(Protocol):
    """A data set.

    spatial_dims is the network's: volumes of a source with 2 are served slice by slice (the last axis).
    classes: names of the values of `label`, background first. box_classes, kinds: those of `classes` and
    `class`. Empty where a data set has no such thing. They may be known only after `records`. size: what
    cases are brought to, or None.
    """

    channels: int
    spatial_dims: Literal[2, 3]
    size: int | Sequence[int] | None
    classes: Sequence[str]
    box_classes: Sequence[str]
    kinds: Sequence[str]

    def records(self) -> list[Record]:
        """Every case, in a fixed order, without reading a pixel."""
        ...

    def load(self, record: Record) -> Case:
        """Raw arrays, in the data set's own units; `contract` says in a line where they are no `Case`.

        Raises:
            ReadError: for a file that cannot be read.
        """
        ...

    def fingerprint(self, record: Record) -> str:
        """Changes whenever what `load` returns would; differs for data in different places."""
        ...

    def content(self, record: Record) -> str:
        """All that decides what `load` returns, the same on every machine: files are told by their bytes."""
        ...
