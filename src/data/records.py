"""Parts of a data set: records, their faults, and the source that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PICTURES = ("image", "target", "label", "mask", "instances")
"""Arrays of a case with an axis of channels and the spatial axes."""

IGNORED = -1
"""Class number of a voxel with the ignore label: nothing is learned or scored there."""

Side = Literal["", "image", "target"]

Case = dict[str, np.ndarray]
"""Arrays of one case: `image` [C,*spatial], `affine` [4,4] (voxel to mm; pictures have one too), `spacing`
[dims] (mm) and, if the data set has them, `label` [1,*spatial], `target` [C,*spatial], `class` [], and
`boxes` [N,2*dims] with `classes` [N]. A box is its lower corner, then its upper corner, in voxels, in the
order of the array's axes (rows first); voxel i covers i to i + 1. `mask` [1,*spatial] bool is the region
that losses and scores are taken in, such as the body; a `label` is `IGNORED` where nobody knows it.
`instances` [1,*spatial] int32 holds i + 1 in the object of box i, 0 outside all objects and -1 in those
without a box; `present` [C] bool says which channels of the image are there, where some may be missing. A
case of the target side alone has no `image`; its grid is that of its target."""

Batch = dict[str, Any]
"""Rows of several cases, a plain dict: `image` [B,C,*spatial] float and, if the data set has them, `label`
[B,1,*spatial] integer, `target` [B,C,*spatial] float, `mask` [B,1,*spatial] bool, `instances`
[B,1,*spatial] int32, `present` [B,C] bool,
`class` [B], `boxes` list of [N,2*dims] in voxels with `classes` list of [N]; `case` and `subject`, lists of
str; `offset`, `scale`, `affine` and `spacing` of each row; and `slice` [B] if rows are slices. With
`data.unpaired` the target of a training row is of another case, named by `target_case`, list of str."""


@dataclass(frozen=True)
class Fault:
    """One fault of one case.

    Attributes:
        case: name of the case; empty for a fault of the whole data set.
        kind: short name of the kind of fault.
        words: the line shown to the user.
        grave: True if it stops training; otherwise it is only reported.

    Example:
        >>> print(Fault("scan1", "affine", "scan1: its affine is singular"))
        scan1: its affine is singular
    """

    case: str
    kind: str
    words: str
    grave: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Record:
    """One case of a data set, before it is read.

    Attributes:
        case: its name, unique in the data set.
        subject: the person it belongs to.
        split: its split, if the data set gives one.
        content: what the source needs to read it, e.g. file names.
        stratum: group that every split gets its share of, such as the diagnosis.
        fold: its fold, if the data set gives one.
        problems: faults that the source found before reading a pixel; the first record also carries those of
            the whole data set (faults of no case). A record with a grave one gets no split.
        order: text that decides its place and its noise where names would; empty: the names. It is not kept.
        private: the names of its files may identify a person, so messages name the case only.
        side: "image" or "target", if it is a case of that side alone in a data set of two sides
            (`data.unpaired`); empty for a case that is whole.

    Example:
        >>> record = Record("scan1", "patient1", split="train", content={"image": "scan1.nii.gz"})
        >>> record.case, record.content["image"]
        ('scan1', 'scan1.nii.gz')
    """

    case: str
    subject: str
    split: Split | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    stratum: str = ""
    fold: int | None = None
    problems: tuple[Fault, ...] = ()
    order: str = ""
    private: bool = False
    side: Side = ""


def picture(case: Mapping[str, Any]) -> Any:
    """Return the image of a case or item; its target, if it is of the target side alone.

    Example:
        >>> picture({"target": np.ones((1, 8, 8)), "affine": np.eye(4)}).shape
        (1, 8, 8)
    """
    return case["image"] if "image" in case else case["target"]


class Source(Protocol):
    """A data set: lists its cases, and reads one at a time.

    Attributes:
        channels: number of channels of the image.
        spatial_dims: number of spatial axes of the network. With 2, volumes are served slice by slice (the
            last axis).
        size: shape that every case is brought to, or None.
        classes: names of the values of `label`, background first; this and the next two are empty if the
            data set has no such thing, and may be known only after `records`.
        box_classes: names of the values of `classes`.
        image_classes: names of the values of `class`.

    Example:
        >>> class Noise:
        ...     channels, spatial_dims, size = 1, 2, None
        ...     classes, box_classes, image_classes = (), (), ()
        ...
        ...     def records(self):
        ...         return [Record(f"scan{n}", f"patient{n}", content={"n": n}) for n in range(6)]
        ...
        ...     def load(self, record):
        ...         image = np.random.default_rng(record.content["n"]).normal(size=(1, 16, 16))
        ...         return {"image": image, "affine": np.eye(4), "spacing": np.ones(2)}
        ...
        ...     def fingerprint(self, record):
        ...         return f"noise {record.case}"
        ...
        ...     content = fingerprint
        >>> from ganatomy.data.datamodule import DataModule
        >>> batch = next(iter(DataModule(Noise(), batch_size=2).train_dataloader()))
        >>> batch["image"].shape, len(batch["subject"])
        (torch.Size([2, 1, 16, 16]), 2)
    """

    channels: int
    spatial_dims: Literal[2, 3]
    size: int | Sequence[int] | None
    classes: Sequence[str]
    box_classes: Sequence[str]
    image_classes: Sequence[str]

    def records(self) -> list[Record]:
        """Return every case, in a fixed order, without reading a pixel."""
        ...

    def load(self, record: Record) -> Case:
        """Return the raw arrays of a case, in the data set's own units.

        `quality.contract` reports in one line how they differ from a `Case`.

        Raises:
            ReadError: a file cannot be read.
        """
        ...

    def fingerprint(self, record: Record) -> str:
        """Return a text that changes whenever what `load` returns would.

        It differs for data in different places.
        """
        ...

    def content(self, record: Record) -> str:
        """Return a text of all that decides what `load` returns, the same on every machine.

        Files enter by their bytes.
        """
        ...
