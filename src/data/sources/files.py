"""What all data sets made of files share: how the files of a record become its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from src.data.digests import Digests
from src.data.problems import Fault, files_of, image_files, noted
from src.data.raw import Raw, raw_of
from src.data.readers import ReadError, read, read_label
from src.data.records import Case, Record
from src.data.regrid import Grid
from src.data.sources.channels import coloured, same_grid
from src.data.sources.claims import ROLES, claimed, uneven
from src.data.sources.masks import INSTANCES, Instances, boxes_in, class_numbers, whole
from src.data.sources.told import content, fingerprint
from src.errors import UserError


@dataclass(kw_only=True)
class Files:
    """A folder of files. A record's `content` says which: `image`, `target`, `label` (a path or several,
    below `root`), `boxes`, `classes`, `class`, `stated` (see `faults.differing`).

    channels: grey pictures become colour (3) by repetition, colour (RGB, a colour palette) becomes grey by
    luminance; frames, echoes, vectors and contrasts must match. target_channels: those of the target, where
    they are not as many. axes: of bare arrays (.npy), the order of rows H, columns W, pages D and channels C,
    e.g. HWC or DHW; null refuses what could be either. spatial_dims: 2 for pictures and for volumes served
    slice by slice, 3 for volumes. size: what every case is brought to, a side or one number per axis; null
    keeps each its own. classes, box_classes, kinds: names of the values of `label` (background first), of
    the boxes, of the images. label_values: the values in the files, in the order of `classes`; null: 0, 1,
    2, ... boxes_from_label: one box for each object in the masks. instances: what an object is: `files`, all
    that one mask file marks; `values`, one value of a mask (which then tells objects, not classes); `parts`,
    one connected part of a class; null: files where an image has several of a class, else parts.
    missing_label: `background`: an image without a mask has nothing marked; fault: it is one. shared: of
    image, target and label, those whose files may serve several cases.
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
    """Whether several image files of a case are its channels, of which all cases have as many."""

    def __post_init__(self) -> None:
        self.folder = Path(self.root).expanduser()
        self.raw: dict[str, Raw] = {}
        if not self.folder.is_dir():
            raise UserError(
                f"data.root={self.root}: no such folder; set data.root or GANATOMY_DATA "
                "(conf/data tells where published sets are found)"
            )
        self.digests, self.place = Digests(root=self.folder), self.folder.resolve()
        self.classes, self.kinds = tuple(self.classes), tuple(self.kinds)
        self.box_classes = tuple(self.box_classes) or (self.classes[1:] if self.boxes_from_label else ())
        if self.label_values is not None and len(self.label_values) != len(self.classes):
            raise UserError(
                f"data.label_values: {len(self.label_values)} values for {len(self.classes)} data.classes"
            )
        self._check_masks()
        self.coloured = True

    def _check_masks(self) -> None:
        for key, value, choices in (
            ("instances", self.instances, (None, *INSTANCES)),
            ("missing_label", self.missing_label, ("fault", "background")),
            *(("shared", role, ROLES) for role in self.shared),
        ):
            if value not in choices:
                raise UserError(f"data.{key}={value}: choose {', '.join(str(c or 'null') for c in choices)}")
        if self.instances == "values" and len(self.classes) > 2:
            raise UserError(
                f"data.instances=values: the values tell objects, all of one class, but data.classes names "
                f"{len(self.classes) - 1} beside the background"
            )
        if getattr(self, "label", None) and not self.classes and not self.box_classes:
            raise UserError(
                f"data.label={getattr(self, 'label', None)}: say what the masks mark, background first: "
                "data.classes=[background,lesion], and, if not 0, 1, ..., data.label_values=[0,255]"
            )

    def completed(self, records: Sequence[Record], notes: Sequence[Fault] = ()) -> list[Record]:
        """The records that a source has made, with what is wrong between them."""
        counts = [len(image_files(record)) for record in records]
        self.coloured = max(counts, default=1) == 1
        checked = claimed(records, self.folder, self.shared)
        checked = uneven(checked, self.channels) if self.files_are_channels else checked
        bare = [r for r in records if "label" in r.content and not files_of(r, "label")]
        if self.missing_label == "background" and bare:
            if len(bare) == sum("label" in record.content for record in records):
                raise UserError(
                    f"data.missing_label=background: none of the {len(bare)} images has a mask, the first "
                    f"{self._name(bare[0])}; correct data.label"
                )
            words = f"{len(bare)} of {len(records)} images have no mask and count as background"
            notes = [*notes, Fault("", "no mask", f"{words} (data.missing_label)", grave=False)]
        return noted(checked, notes)

    def fingerprint(self, record: Record) -> str:
        return fingerprint(self, record)

    def content(self, record: Record) -> str:
        return content(self, record)

    def load(self, record: Record) -> Case:
        image, grid = self._channels(record, "image")
        case: Case = {"image": image, "affine": grid.affine, "spacing": grid.spacing}
        if "target" in record.content:
            case["target"] = self._same(record, "target", *self._channels(record, "target"), grid)
        if "label" in record.content:
            paths, maps = self.paths(record, "label"), self._maps(record, grid)
            case["label"] = np.maximum.reduce(
                [(m > 0).astype(np.uint8) for m in maps] if self._counts else maps
            )
        if "boxes" in record.content:
            need = 2 * len(grid.shape)
            boxes = np.asarray(record.content["boxes"], np.float32)
            boxes = boxes if len(boxes) else boxes.reshape(0, need)
            if boxes.shape[1:] != (need,):
                raise ReadError(
                    f"{self._name(record)}: boxes of {boxes.shape[-1]} numbers in {need // 2} dimensions, "
                    f"where {need} are needed: the lower corner, then the upper one"
                )
            case["boxes"] = boxes
            case["classes"] = np.asarray(record.content["classes"], np.int64).reshape(-1)
        elif self.boxes_from_label and "label" in case:
            planes = [m[0] for m in maps]
            case["boxes"], case["classes"] = boxes_in(planes, paths, self.instances if paths else None)
        if "class" in record.content:
            case["class"] = np.asarray(record.content["class"], np.int64)
        return case

    def paths(self, record: Record, role: str) -> list[Path]:
        """The files of `image`, `target` or `label`."""
        named = record.content.get(role) or []
        return [self.folder / name for name in ([named] if isinstance(named, str) else named)]

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        paths = self.paths(record, role)
        if not paths:
            raise ReadError(f"{self._name(record)}: has no {role}")
        read_in = [read(path, self.axes, self.spatial_dims) for path in paths]
        arrays, grid = [array for array, _ in read_in], read_in[0][1]
        for path, (_, other) in zip(paths, read_in, strict=True):
            same_grid(path, other, paths[0], grid)
        array, colour = np.concatenate(arrays), len(paths) == 1 and grid.colour
        if role == "target":
            return self._target(array, paths[0], colour, len(self.paths(record, "image"))), grid
        if len(array) == 1 != self.channels and not self.coloured:
            raise ReadError(f"{paths[0]}: has 1 channel, not data.channels={self.channels}; a channel lacks")
        made = coloured(array, self.channels, paths[0], colour)
        self.raw[record.case] = raw_of(array, made, grid.colour)
        return made, grid

    def _target(self, array: np.ndarray, path: Path, colour: bool, images: int) -> np.ndarray:
        several = self.channels != 3 or images > 1  # contrasts, and no colours
        if self.target_channels is None and len(array) < self.channels and several:
            raise ReadError(
                f"{path}: has {len(array)} of data.channels={self.channels}; set "
                f"data.target_channels={len(array)}"
            )
        return coloured(array, self.target_channels or self.channels, path, colour)

    @property
    def _counts(self) -> bool:
        """Whether masks count objects in place of telling classes."""
        return self.instances == "values"

    def _maps(self, record: Record, grid: Grid) -> list[np.ndarray]:
        """Class numbers [1,*spatial] of each mask file, or the numbers of the objects."""
        paths = self.paths(record, "label")
        if not paths and self.missing_label == "background":
            return [np.zeros((1, *grid.shape), np.uint8)]
        if not paths:
            raise ReadError(
                f"{self._name(record)}: has no label; add one, leave the image out of data.image, or let it "
                "count as background: data.missing_label=background"
            )
        maps = []
        for path in paths:
            if not path.exists():
                raise ReadError(
                    f"{path}: is not there; if {self._name(record)} has nothing to mark, let images without "
                    "a mask count as background: data.missing_label=background"
                )
            array, other = read_label(path, self._numbers(), self.axes, self.spatial_dims)
            array = self._same(record, "label", array, other, grid, path)
            maps.append(whole(array, path) if self._counts else class_numbers(array, path, self.label_values))
        return maps

    def _numbers(self) -> Sequence[int] | None:
        """What a label file may hold."""
        if self.label_values is not None or self._counts:
            return self.label_values
        return range(len(self.classes)) if self.classes else None

    def _same(
        self, record: Record, role: str, array: np.ndarray, grid: Grid, image: Grid, path: Path | None = None
    ) -> np.ndarray:
        same_grid(path or self.paths(record, role)[0], grid, self.paths(record, "image")[0], image)
        return array

    def _name(self, record: Record) -> str:
        paths = self.paths(record, "image")
        return str(paths[0]) if paths else record.case
