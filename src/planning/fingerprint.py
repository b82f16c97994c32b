"""Fingerprint of a data set: the facts about its training cases that a plan is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Sides = tuple[float, ...]


@dataclass(frozen=True)
class Fingerprint:
    """Facts of the training cases, in files' voxels with axes in the orientation of the network.

    Attributes:
        dims: Spatial axes of the network.
        channels: Channels of the image.
        cases: Split to the number of cases.
        shape: Median shape.
        largest: 95th percentile of the shapes, axis by axis.
        aspects: 95th percentile of the aspect ratios over the 5th.
        spacing: Median spacing in mm, or in pixels.
        finest: 10th percentile of the spacings, axis by axis.
        uneven: Largest spacing of a case over the smallest, of the axis where they differ most.
        modality: `ct`, `picture` (8 bits) or `other`, of all channels.
        mixed: Modality of each channel where some are a CT and others are not; else empty.
        coloured: Three channels that are not the same grey.
        window: 0.5th and 99.5th percentile of intensities, of the channels that are a CT if some are.
        window_of: Where these were taken: `labels`, in `boxes`, or in `all` voxels.
        target_modality: Modality of the targets; empty without any.
        target_window: Percentiles of their intensities, of all voxels.
        sliced: Volumes that a network of two dimensions sees slice by slice.
        classes: Names of the values of `label`, background first.
        voxels: Class to its fraction of the voxels that count: not ignored, and within the mask.
        holds: Class to the fraction of the training cases that hold it.
        thickness: Class to the median of the mean thickness of its structures in voxels (2 V / S, with the
            faces S of the V voxels; within slices where the network sees slices).
        box_classes: Names of the classes of boxes.
        boxes: Median and largest number of boxes in an image.
        box_side: 10th, 50th and 90th percentile of the geometric mean of a box's sides, in voxels.
        smallest: Median of these of the class of the smallest boxes.
        greatest: 90th percentile of these of the class of the largest boxes, however rare it is.
        crowding: 99th percentile of the largest IoU of a box with another of its class.
        image_classes: Names of the classes of images.
        has: `label`, `boxes`, `target`, `class`, `mask`: what the cases have.
        content: Hash of the content of all cases.
    """

    dims: int
    channels: int
    cases: dict[str, int]
    shape: Sides
    largest: Sides
    spacing: Sides
    finest: Sides
    aspects: float = 1.0
    uneven: float = 1.0
    modality: str = "other"
    mixed: tuple[str, ...] = ()
    coloured: bool = False
    window: Sides = (0.0, 1.0)
    window_of: str = "all"
    target_modality: str = ""
    target_window: Sides = (0.0, 1.0)
    sliced: bool = False
    classes: tuple[str, ...] = ()
    voxels: dict[str, float] = field(default_factory=dict)
    holds: dict[str, float] = field(default_factory=dict)
    thickness: dict[str, float] = field(default_factory=dict)
    box_classes: tuple[str, ...] = ()
    boxes: tuple[int, int] = (0, 0)
    box_side: Sides = ()
    smallest: float = 0.0
    greatest: float = 0.0
    crowding: float = 0.0
    image_classes: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    content: str = ""

    @property
    def anisotropy(self) -> float:
        """Return the median spacing of the coarsest axis over that of the finest one."""
        return max(self.spacing) / min(self.spacing)

    def to_plain(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Fingerprint:
        """Read what `to_plain` gave; KeyError or TypeError for anything else."""
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in plain.items() if key in known
        }
        return cls(**values)

    def kind(self) -> dict[str, Any]:
        """Return what data must share for a plan of theirs to be of use: `plan_for` of a plan."""
        return {
            "dims": self.dims,
            "channels": self.channels,
            "classes": list(self.classes),
            "box_classes": list(self.box_classes),
            "cases": sum(self.cases.values()),
            "content": self.content,
        }
