"""Base of all file-based data sets: load the files of a record as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from src.data.digests import Digests
from src.data.faults import name_of
from src.data.problems import Fault, files_of, noted
from src.data.raw import Raw, raw_of
from src.data.readers import ReadError, read
from src.data.records import Case, Record
from src.data.regrid import Grid
from src.data.sources.channels import coloured, same_grid
from src.data.sources.claims import claimed, uneven
from src.data.sources.marked import check_settings, label_of, read_masks, unmarked
from src.data.sources.masks import Instances, boxes_in
from src.data.sources.told import content, fingerprint
from src.errors import UserError


@dataclass(kw_only=True)
class Files:
    """A folder of files, named by the `content` of each record.

    The content holds paths below `root` as `image`, `target` and `label` (one or several each), and `boxes`,
    `classes`, `class` and `stated` (see `faults.differing`).

    Attributes:
        root: the folder.
        channels: channels of the image. Grey pictures become colour (3) by repetition; colour (RGB, a colour
            palette) becomes grey by luminance; frames, echoes, vectors and contrasts must match.
        spatial_dims: 2 for pictures and for volumes served slice by slice, 3 for volumes.
        size: shape that every case is brought to, a side or one number per axis; null keeps each its own.
        classes: names of the values of `label`, background first.
        box_classes: names of the classes of the boxes.
        kinds: names of the classes of the images.
        label_values: the values in the files, in the order of `classes`; null: 0, 1, 2, ...
        boxes_from_label: make one box for each object in the masks.
        axes: axis order of bare arrays (.npy), of rows H, columns W, slices D and channels C, e.g. HWC or
            DHW; null refuses ambiguous arrays.
        target_channels: channels of the target, if different from `channels`.
        instances: definition of an object. `files`: everything in one mask file; `values`: one value of a
            mask (values then number objects, not classes); `parts`: one connected part of a class; null:
            files where an image has several files of one class, else parts.
        missing_label: meaning of an image without a mask. `background`: nothing is marked; `fault`: a fault.
        shared: roles among image, target and label whose files may be used by several cases.
    """

    root: str
    channels: int = 1
    spatial_dims: Literal[2, 3] = 2
    size: int | Sequence[int] | None = None
    classes: Sequence[str] = ()
    box_classes: Sequence[str] = ()
    kinds: Sequence[str] = ()
    label_values: Sequence[int] | None = None
    boxes_from_label: bool = False
    axes: str | None = None
    target_channels: int | None = None
    instances: Instances | None = None
    missing_label: Literal["fault", "background"] = "fault"
    shared: Sequence[str] = ()
    files_are_channels: ClassVar[bool] = True
    """True if several image files of a case are its channels; all cases then need the same number."""

    def __post_init__(self) -> None:
        self.folder = Path(self.root).expanduser()
        self.raw: dict[str, Raw] = {}
        if not self.folder.is_dir():
            raise UserError(
                f"data.root={self.root}: no such folder; set data.root or GANATOMY_DATA "
                "(see conf/data for where to find published sets)"
            )
        self.digests, self.place = Digests(root=self.folder), self.folder.resolve()
        self.classes, self.kinds = tuple(self.classes), tuple(self.kinds)
        self.box_classes = tuple(self.box_classes) or (self.classes[1:] if self.boxes_from_label else ())
        check_settings(self)
        self.repeats_grey = True

    def completed(self, records: Sequence[Record], notes: Sequence[Fault] = ()) -> list[Record]:
        """Return a source's records with the faults found between them."""
        self.repeats_grey = all(len(files_of(record)) <= 1 for record in records)
        checked = claimed(records, self.folder, self.shared)
        checked = uneven(checked, self.channels) if self.files_are_channels else checked
        return noted(checked, [*notes, *unmarked(self, records)])

    def fingerprint(self, record: Record) -> str:
        return fingerprint(self, record)

    def content(self, record: Record) -> str:
        return content(self, record)

    def load(self, record: Record) -> Case:
        image, grid = self._channels(record, "image")
        case: Case = {"image": image, "affine": grid.affine, "spacing": grid.spacing}
        if "target" in record.content:
            case["target"], own = self._channels(record, "target")
            same_grid(self.paths(record, "target")[0], own, self.paths(record, "image")[0], grid)
        if "label" in record.content:
            masks = read_masks(self, record, grid)
            case["label"] = label_of(self, masks)
        if "boxes" in record.content:
            need = 2 * len(grid.shape)
            boxes = np.asarray(record.content["boxes"], np.float32)
            boxes = boxes if len(boxes) else boxes.reshape(0, need)
            if boxes.shape[1:] != (need,):
                raise ReadError(
                    f"{name_of(record, self)}: boxes of {boxes.shape[-1]} numbers in {need // 2} dimensions, "
                    f"where {need} are needed: the lower corner, then the upper one"
                )
            case["boxes"] = boxes
            case["classes"] = np.asarray(record.content["classes"], np.int64).reshape(-1)
        elif self.boxes_from_label and "label" in case:
            paths, planes = self.paths(record, "label"), [mask[0] for mask in masks]
            case["boxes"], case["classes"] = boxes_in(planes, paths, self.instances if paths else None)
        if "class" in record.content:
            case["class"] = np.asarray(record.content["class"], np.int64)
        return case

    def paths(self, record: Record, role: str) -> list[Path]:
        """Return the files of `image`, `target` or `label`."""
        return [self.folder / name for name in files_of(record, role)]

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        paths = self.paths(record, role)
        if not paths:
            raise ReadError(f"{name_of(record, self)}: has no {role}")
        read_in = [read(path, self.axes, self.spatial_dims) for path in paths]
        arrays, grid = [array for array, _ in read_in], read_in[0][1]
        for path, (_, other) in zip(paths, read_in, strict=True):
            same_grid(path, other, paths[0], grid)
        array, colour = np.concatenate(arrays), len(paths) == 1 and grid.colour
        if role == "target":
            return self._target(array, paths[0], colour, len(self.paths(record, "image"))), grid
        if len(array) == 1 != self.channels and not self.repeats_grey:
            raise ReadError(
                f"{paths[0]}: has 1 channel, not data.channels={self.channels}; a channel is missing"
            )
        made = coloured(array, self.channels, paths[0], colour)
        self.raw[record.case] = raw_of(array, made, grid.colour)
        return made, grid

    def _target(self, array: np.ndarray, path: Path, colour: bool, images: int) -> np.ndarray:
        several = self.channels != 3 or images > 1  # contrasts, not colours
        if self.target_channels is None and len(array) < self.channels and several:
            raise ReadError(
                f"{path}: has {len(array)} of data.channels={self.channels}; set "
                f"data.target_channels={len(array)}"
            )
        return coloured(array, self.target_channels or self.channels, path, colour)
