"""What all data sets made of files share: how the files of a record become its arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.ndimage import find_objects
from scipy.ndimage import label as components

from src.data.raw import Raw, raw_of
from src.data.readers import ReadError, read
from src.data.records import Case, Record
from src.data.regrid import Grid
from src.errors import UserError

ROLES = ("image", "target", "label")


@dataclass(kw_only=True)
class Files:
    """A folder of files. A record's `content` says which: `image`, `target`, `label` (a path or several,
    below `root`), `boxes`, `classes`, `class`.

    channels: grey images become colour by repetition, colour becomes grey by luminance, more must match.
    spatial_dims: 2 for pictures and for volumes served slice by slice, 3 for volumes. size: what every
    case is brought to, a side or one number per axis; null keeps each its own. classes, box_classes,
    kinds: names of the values of `label` (background first), of the boxes, of the images. label_values:
    the values in the files, in the order of `classes`; null: 0, 1, 2, ... boxes_from_label: one box for
    each connected part of a foreground class.
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

    def __post_init__(self) -> None:
        self.folder = Path(self.root).expanduser()
        self.raw: dict[str, Raw] = {}
        if not self.folder.is_dir():
            raise UserError(
                f"data.root={self.root}: no such folder; set data.root or GANATOMY_DATA "
                "(conf/data tells where published sets are found)"
            )
        self.classes, self.kinds = tuple(self.classes), tuple(self.kinds)
        self.box_classes = tuple(self.box_classes) or (self.classes[1:] if self.boxes_from_label else ())
        if self.label_values is not None and len(self.label_values) != len(self.classes):
            raise UserError(
                f"data.label_values: {len(self.label_values)} values for {len(self.classes)} data.classes"
            )

    def fingerprint(self, record: Record) -> str:
        def dated(path: Path) -> Any:
            stat = path.stat()
            return (path.name, stat.st_size, stat.st_mtime_ns)

        return self._told(record, dated)

    def content(self, record: Record) -> str:
        def hashed(path: Path) -> Any:
            with path.open("rb") as file:
                return (path.name, hashlib.file_digest(file, "sha256").hexdigest())

        return self._told(record, hashed)

    def _told(self, record: Record, tell: Callable[[Path], Any]) -> str:
        paths = [path for role in ROLES for path in self.paths(record, role)]
        files = [tell(path) if path.exists() else path.name for path in paths]
        rest = {key: value for key, value in record.content.items() if key not in ROLES}
        settings = (self.channels, self.label_values, self.boxes_from_label)
        return f"files-1 {record.case} {files} {rest} {settings}"

    def load(self, record: Record) -> Case:
        image, grid = self._channels(record, "image")
        case: Case = {"image": image, "affine": grid.affine, "spacing": grid.spacing}
        if "target" in record.content:
            case["target"] = self._same(record, "target", *self._channels(record, "target"), grid)
        if "label" in record.content:
            case["label"] = self._label(record, grid)
        if "boxes" in record.content:
            dims = len(grid.shape)
            case["boxes"] = np.asarray(record.content["boxes"], np.float32).reshape(-1, 2 * dims)
            case["classes"] = np.asarray(record.content["classes"], np.int64).reshape(-1)
        elif self.boxes_from_label and "label" in case:
            case["boxes"], case["classes"] = boxes_of(case["label"][0])
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
        read_in = [read(path) for path in paths]
        arrays, grid = [array for array, _ in read_in], read_in[0][1]
        for path, (_, other) in zip(paths, read_in, strict=True):
            same_grid(path, other, paths[0], grid)
        stored = np.concatenate(arrays)
        made = coloured(stored, self.channels, paths[0])
        if role == "image":
            self.raw[record.case] = raw_of(stored, made, getattr(grid, "colour", None))
        return made, grid

    def _label(self, record: Record, grid: Grid) -> np.ndarray:
        paths = self.paths(record, "label")
        if not paths:
            raise ReadError(
                f"{self._name(record)}: has no label; add one or leave the image out of data.image"
            )
        merged: np.ndarray | None = None
        for path in paths:
            array, other = read(path)
            whole = self._same(record, "label", coloured(array, 1, path), other, grid, path)
            values = self._values(whole, path)
            merged = values if merged is None else np.maximum(merged, values)
        assert merged is not None
        return merged

    def _values(self, array: np.ndarray, path: Path) -> np.ndarray:
        """Class numbers of a label map as stored."""
        if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
            raise ReadError(f"{path}: label values are not whole numbers")
        if self.label_values is None:
            return array.astype(np.int16 if array.min() < 0 or array.max() > 255 else np.uint8)
        places = np.full(array.shape, 255, np.uint8)
        for place, value in enumerate(self.label_values):
            places[array == value] = place
        if len(strange := array[places == 255]):
            known = list(self.label_values)
            raise ReadError(f"{path}: label value {strange[0]} is none of data.label_values={known}")
        return places

    def _same(
        self, record: Record, role: str, array: np.ndarray, grid: Grid, image: Grid, path: Path | None = None
    ) -> np.ndarray:
        same_grid(path or self.paths(record, role)[0], grid, self.paths(record, "image")[0], image)
        return array

    def _name(self, record: Record) -> str:
        paths = self.paths(record, "image")
        return str(paths[0]) if paths else record.case


def coloured(array: np.ndarray, channels: int, path: Path) -> np.ndarray:
    """[C,*spatial] with `channels` channels. Raises ReadError when there is no honest way."""
    if len(array) == channels:
        return array
    if len(array) == 1:
        return np.repeat(array, channels, 0)
    if len(array) == 3 and channels == 1:
        if (array[0] == array[1]).all() and (array[0] == array[2]).all():
            return array[:1]
        return np.tensordot([0.299, 0.587, 0.114], array.astype(np.float32), 1)[None].astype(np.float32)
    raise ReadError(f"{path}: has {len(array)} channels, not data.channels={channels}")


def same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Raises ReadError unless both lie on the same voxels (a thousandth of a voxel, a hundredth at the
    far corner)."""
    if grid.shape != other.shape:
        raise ReadError(f"{path}: shape {shown(grid.shape)}, but {other_path.name} has {shown(other.shape)}")
    corners = np.array([[0] * 3, [n - 1 for n in (*grid.shape, 1, 1)[:3]]])
    places = [np.c_[corners, [1, 1]] @ affine.T for affine in (grid.affine, other.affine)]
    apart = np.abs(places[0] - places[1]).max()
    if apart > 0.05 * other.spacing.min():
        raise ReadError(f"{path}: its affine puts it {apart:.3g} mm away from {other_path.name}")


def shown(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def boxes_of(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box around each connected part of each class above 0, and its class counted from 0."""
    boxes, classes = [], []
    for value in range(1, int(label.max(initial=0)) + 1):
        for place in find_objects(components(label == value)[0]):
            boxes.append([s.start for s in place] + [s.stop for s in place])
            classes.append(value - 1)
    return np.array(boxes, np.float32).reshape(-1, 2 * label.ndim), np.array(classes, np.int64)
