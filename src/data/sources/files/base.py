"""Base of all file-based data sets: load the files of a record as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganatomy.data.io.readers import ReadError, read
from ganatomy.data.problems import files_of, noted
from ganatomy.data.quality.faults import name_of
from ganatomy.data.quality.raw import Raw, raw_of
from ganatomy.data.records import Case, Fault, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.channels import coloured, on_grid, same_grid, spread, taken
from ganatomy.data.sources.files.claims import claimed, uneven
from ganatomy.data.sources.files.instances import marked_objects, numbered_objects
from ganatomy.data.sources.files.marked import check_settings, label_of, read_masks, read_region, unmarked
from ganatomy.data.sources.files.masks import boxes_in, defined
from ganatomy.data.sources.files.partners import with_sides, without_partner
from ganatomy.data.sources.files.settings import FileSettings
from ganatomy.data.sources.files.several import lacking
from ganatomy.data.sources.files.versions import content, fingerprint
from ganatomy.data.transforms.box_units import in_voxels
from ganatomy.errors import UserError
from ganatomy.text.names import hidden, printable


@dataclass(kw_only=True)
class Files(FileSettings):
    """A folder of files, named by the `content` of each record.

    The content holds paths below `root` as `image`, `target`, `label`, `mask` and `instances` (one or several
    each), and
    `boxes` in voxels or in `box_units` (see `in_voxels`), `classes`, `class` and `stated` (see
    `faults.stated_differently`); `present`, True for each channel whose
    file is among those of `image`, if some are missing; and `take`, the channels of the files of `image` and
    `target` that are used, if not all.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.raw: dict[str, Raw] = {}
        check_settings(self)
        self.repeats_grey = True
        self.two_sided = False

    def completed(self, records: Sequence[Record], notes: Sequence[Fault] = ()) -> list[Record]:
        """Return a source's records with the faults found between them.

        Raises UserError if the name of a class holds a hidden character or is another's, too.
        """
        for key in ("classes", "box_classes", "image_classes"):
            names = list(map(str, getattr(self, key)))
            if twice := next((name for name in names if names.count(name) > 1), ""):
                raise UserError(f"data.{key}: two classes are called {twice}; give each a name of its own")
            for name in names:
                if sign := hidden(name):
                    raise UserError(
                        f'data.{key}: "{printable(name)}" has the hidden character {sign}; rename the class'
                    )
        if self.two_sided:
            records = with_sides(records)
        else:
            notes = [*notes, *without_partner(records, self.folder)]
        self.repeats_grey = all(len(files_of(record)) <= 1 for record in records)
        checked = claimed(records, self.folder, self.shared)
        checked = uneven(checked, self.channels) if self.files_are_channels else checked
        return noted(checked, [*notes, *unmarked(self, records), *lacking(records)])

    def fingerprint(self, record: Record) -> str:
        return fingerprint(self, record)

    def content(self, record: Record) -> str:
        return content(self, record)

    def load(self, record: Record) -> Case:
        image, grid = self._channels(record, record.side or "image")
        case: Case = {record.side or "image": image, "affine": grid.affine, "spacing": grid.spacing}
        if "target" in record.content and not record.side:
            target, own = self._channels(record, "target")
            if self.target_grid is None:
                self._same_grid(record, own, grid)
            case["target"] = on_grid(target, own, grid)
        if "present" in record.content:
            case["present"] = np.array(record.content["present"], bool)
        if "mask" in record.content:
            case["mask"] = read_region(self, record, grid)
        if "label" in record.content:
            masks = read_masks(self, record, grid)
            case["label"] = label_of(self, masks)
        if "boxes" in record.content:
            need = 2 * len(grid.shape)
            boxes = np.asarray(record.content["boxes"], np.float64)
            boxes = boxes if len(boxes) else boxes.reshape(0, need)
            if boxes.shape[1:] != (need,):
                raise ReadError(
                    f"{name_of(record, self)}: boxes of {boxes.shape[-1]} numbers in {need // 2} dimensions, "
                    f"where {need} are needed: the lower corner, then the upper one"
                )
            units = record.content.get("box_units")
            case["boxes"] = (in_voxels(boxes, units, grid) if units else boxes).astype(np.float32)
            case["classes"] = np.asarray(record.content["classes"], np.int64).reshape(-1)
        elif "instances" in record.content:
            case |= numbered_objects(self, record, grid, case.get("label"))
        elif self.boxes_from_label and "label" in case:
            paths, planes = self.paths(record, "label"), [mask[0] for mask in masks]
            instances = defined(planes, self.instances if paths else None)
            if self.with_instances:
                case |= marked_objects(planes, instances, self.instances == "values")
            else:
                case["boxes"], case["classes"] = boxes_in(planes, paths, instances)
        if "class" in record.content:
            case["class"] = np.asarray(record.content["class"], np.int64)
        return case

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        paths = self.paths(record, role)
        if not paths:
            raise ReadError(f"{name_of(record, self)}: has no {role}")
        read_in = [read(path, self.axes, self.spatial_dims) for path in paths]
        arrays, grid = [array for array, _ in read_in], read_in[0][1]
        for path, (_, other) in zip(paths, read_in, strict=True):
            same_grid(path, other, paths[0], grid)
        array, colour = np.concatenate(arrays), len(paths) == 1 and grid.colour
        array = taken(array, record.content.get("take", {}).get(role), paths[0])
        if role == "target":
            return self._target(array, paths[0], colour, len(self.paths(record, "image"))), grid
        if len(array) == 1 != self.channels and not self.repeats_grey and "present" not in record.content:
            raise ReadError(
                f"{paths[0]}: has 1 channel, not data.channels={self.channels}; a channel is missing"
            )
        if "present" in record.content:
            made = spread(array, record.content["present"], paths[0])
        else:
            made = coloured(array, self.channels, paths[0], colour)
        self.raw[record.case] = raw_of(array, made, grid.colour)
        return made, grid

    def _same_grid(self, record: Record, own: Grid, grid: Grid) -> None:
        """Raise ReadError if the target of a case lies on other voxels than its image."""
        target, image = (self.paths(record, role)[0] for role in ("target", "image"))
        try:
            same_grid(target, own, image, grid)
        except ReadError as error:
            if len(own.shape) != len(grid.shape):
                raise
            raise ReadError(f"{error}; register and resample it, or set data.target_grid=image") from error

    def _target(self, array: np.ndarray, path: Path, colour: bool, images: int) -> np.ndarray:
        several = self.channels != 3 or images > 1  # contrasts, not colours
        if self.target_channels is None and len(array) < self.channels and several:
            raise ReadError(
                f"{path}: has {len(array)} of data.channels={self.channels}; set "
                f"data.target_channels={len(array)}"
            )
        return coloured(array, self.target_channels or self.channels, path, colour)
