"""What the file of an answer holds: what is written of a test case, and what its scores are taken of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.writers import Original, encoded, original
from ganatomy.data.records import Batch, Case, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.prepare import restore
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices, units

T = TypeVar("T")
GRID = ("affine", "input_affine", "input_shape")


@dataclass(frozen=True)
class AsWritten:
    """Numbers [C, *spatial] as they stand in a file on the grid of the case's own, and what they mean."""

    numbers: np.ndarray
    like: Original
    affine: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """In the file's units, float64: what a reader of the file gets."""
        values: np.ndarray = self.numbers.astype(np.float64) * self.like.slope + self.like.inter
        return values

    def encoded(self) -> tuple[str, bytes]:
        """Suffix and content of the file."""
        return encoded(self.values, self.affine, self.like)


class Originals:
    """The files of the test cases: what they hold, and what files made after them would hold.

    What was read of a case is kept until another is asked for.
    """

    def __init__(self, data: DataModule) -> None:
        self.data = data
        self.records = {record.case: record for record in data.records["test"]}
        self._case, self._read = "", dict[str, Any]()

    def truth(self, case: str) -> Case:
        """The case as its files have it, before any preparation."""
        return self._once(case, "truth", self.data.source.load)

    def role(self, case: str, wanted: str) -> str:
        """`target` where it is wanted and the case has one of its own, else `image`."""
        return "target" if wanted == "target" and "target" in self.truth(case) else "image"

    def is_plane(self, case: str) -> bool:
        """Whether the file of a case has two axes and is served as a volume of one slice."""
        like = self._original(case, "image")
        return like.plane and self.truth(case)["image"].ndim == 4

    def as_written(self, batch: Batch, rows: list[int], answer: Tensor, role: str = "image") -> AsWritten:
        """The file of an answer [C, *spatial] on the grid of these rows, in the units of the case's file.

        Whole numbers are class numbers, written in the values of the data set's masks. role: of the file
        that it is like, `image` or `target`; "map" lies like the image, in float32 and units of its own.
        """
        values, case = answer.detach().cpu().numpy(), batch["case"][rows[0]]
        affine = _grid(batch, rows[0])["input_affine"]
        if not answer.is_floating_point():
            numbers = self._values_of_masks(self.classes(batch, rows, answer))
            return AsWritten(numbers, self._original(case, "image").holding(numbers.dtype), affine)
        like = self._original(case, self.role(case, role))
        if role == "map":
            like = like.holding(np.dtype(np.float32))
        on_file = restore(values, _grid(batch, rows[0]), fill=float(values.min()))
        return AsWritten(like.stored(on_file), like, affine)

    def classes(self, batch: Batch, rows: list[int], label: Tensor) -> np.ndarray:
        """Class numbers [1, *spatial] of these rows on the grid of their file."""
        return restore(label.detach().cpu().numpy(), _grid(batch, rows[0]), order=0)

    def seen(self, batch: Batch, images: Tensor) -> Tensor:
        """Images [B, C, *spatial] as a network would see them if each had come from a file like its case's.

        On the network's grid, where the numbers of the file are rounded and held to its range.
        """
        out = torch.empty_like(images, dtype=torch.float32)
        for case, rows in rows_by_case(batch):
            scale, offset = units(batch, rows[0], images.dim() - 2)
            like = self._original(case, "image")
            values = (images[rows].double() * scale + offset).cpu().numpy()
            stored = AsWritten(like.stored(values), like, np.eye(4)).values
            exact = self._once(case, "units", self.data.cache.get)
            shape = (-1, *[1] * (images.dim() - 2))
            there, step = (np.asarray(exact[key], np.float64).reshape(shape) for key in ("offset", "scale"))
            out[rows] = torch.from_numpy(((stored - there) / step).astype(np.float32)).to(out)
        return out

    def planes(self, batch: Batch, row: int, volume: np.ndarray) -> np.ndarray:
        """What the network sees apart: [n, C, *spatial] of [C, *spatial] on a file's grid.

        Of a sliced volume its slices across the axis of the file that is nearest to theirs, in their order.
        """
        if "slice" not in batch:
            return volume[None]
        grid = _grid(batch, row)
        way = (np.linalg.inv(grid["input_affine"]) @ grid["affine"])[:3, 2]
        axis = int(np.abs(way).argmax())
        apart = np.moveaxis(volume, axis + 1, 0)
        return apart[::-1] if way[axis] < 0 else apart

    def shared(self, batch: Batch, rows: list[int], volume: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(row, its planes [n, C, *spatial]) of a volume on the file's grid, for each row of the case.

        One plane each; several, or none, where the file has another number of slices than the network saw.
        """
        ordered = sorted(rows, key=lambda row: int(batch["slice"][row])) if "slice" in batch else rows
        parts = np.array_split(self.planes(batch, rows[0], volume), len(rows))
        yield from zip(ordered, parts, strict=True)

    def _original(self, case: str, role: str) -> Original:
        def read(record: Record) -> Original:
            return original(self.data.source, record, role)

        return self._once(case, role, read)

    def _once(self, case: str, what: str, read: Callable[[Record], T]) -> T:
        if case != self._case:
            self._case, self._read = case, {}
        if what not in self._read:
            self._read[what] = read(self.records[case])
        found: T = self._read[what]
        return found

    def _values_of_masks(self, label: np.ndarray) -> np.ndarray:
        """Class numbers as the masks of the data set have them, in the smallest type that holds them all."""
        known = getattr(self.data.source, "label_values", None) or range(max(len(self.data.mask_classes), 2))
        values = np.array(known)
        smallest = np.result_type(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
        written: np.ndarray = values.astype(smallest)[label]
        return written


def _grid(batch: Batch, row: int) -> Case:
    return {key: batch[key][row].double().cpu().numpy() for key in GRID}


def grids(batch: Batch, row: int) -> tuple[Grid, Grid]:
    """(of the network's image, of the file) of a row that is a whole case."""
    grid = _grid(batch, row)
    shape = tuple(int(n) for n in grid["input_shape"])
    return Grid(grid["affine"], tuple(batch["image"].shape[2:])), Grid(grid["input_affine"], shape)


def scored_labels(
    batch: Batch, rows: list[int], files: Originals | None
) -> tuple[Callable[[Tensor], Tensor], Tensor, list[float]]:
    """(from a label map [1, *spatial] of these rows to the one that is scored, [*spatial]; the true one; its
    spacing), of the network's grid or, where `files` are scored, of the file's.
    """
    if files is None:
        truth = stack_slices(batch, batch["label"], rows)[0]
        return lambda label: label[0], truth, batch["spacing"][rows[0]].tolist()
    name = batch["case"][rows[0]]
    case = files.truth(name)
    held = (..., 0) if files.is_plane(name) else ...  # in three axes every voxel of a plane were its surface
    label = case["label"][0]
    truth = torch.from_numpy(label if label.flags.writeable else label.copy())[held]
    return (
        lambda label: torch.from_numpy(files.classes(batch, rows, label)[0])[held],
        truth,
        case["spacing"].tolist()[: truth.ndim],
    )
