"""Predictions as their files hold them: what is written for a test case, and what is scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.writers import Original, encoded, original, returned
from ganatomy.data.records import Batch, Case, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.prepare import restore
from ganatomy.tasks.shared.volumes import rows_by_case, scale_and_offset

T = TypeVar("T")
log = logging.getLogger(__name__)
GRID = ("affine", "input_affine", "input_shape")


@dataclass(frozen=True)
class AsWritten:
    """Content of a prediction's file, on the grid of the case's own file.

    Attributes:
        numbers: Stored numbers [C, *spatial].
        like: Format, type and scaling of the file.
        affine: Affine of the file [4, 4], in mm.
        clipped: Number of values beyond what the file's type can hold.
    """

    numbers: np.ndarray
    like: Original
    affine: np.ndarray
    clipped: int = 0

    @property
    def note(self) -> str:
        """Return a line about values that were clipped to the file's type; empty if none were."""
        if not self.clipped:
            return ""
        low, high = self.like.ends
        values = "1 value lies" if self.clipped == 1 else f"{self.clipped} values lie"
        return f"{values} beyond {self.like.dtype} ({low:g} to {high:g}) and became the nearest of these"

    @property
    def values(self) -> np.ndarray:
        """Return what a reader of the file gets: values in the file's units, float64."""
        values: np.ndarray = self.numbers.astype(np.float64) * self.like.slope + self.like.inter
        return values

    def encoded(self) -> tuple[str, bytes]:
        """Return the suffix and the content of the file."""
        return encoded(self.values, self.affine, self.like)

    def returned(self) -> tuple[str, bytes]:
        """Return the suffix and the content of a file in the format of the case's own."""
        return returned(self.values, self.affine, self.like)


class Originals:
    """Files of the test cases: their content, and the content of predictions written like them.

    The files of one case are kept in memory until another case is asked for.

    Args:
        data: Data whose test cases are meant.
        target: `dtype`, `slope` and `inter` of the files of targets, for cases that have none.
    """

    def __init__(self, data: DataModule, target: Mapping[str, Any] | None = None) -> None:
        self.data, self.target = data, target
        self.records = {record.case: record for record in data.records["test"]}
        self.told_clipped = False
        self._case, self._read, self._made = "", dict[str, Any](), dict[tuple[str, str], Original]()

    def hold(self, record: Record, case: Case, elsewhere: bool = False) -> None:
        """Take over a case that is loaded already.

        Args:
            record: Record of the case.
            case: Its arrays.
            elsewhere: Its grid is not that of its file, whose header does not say where it is.
        """
        self.records[record.case] = record
        self._case, self._read, self._made = record.case, {"truth": case}, {}
        if elsewhere:
            for role in ("image", "target"):
                self._read[role] = replace(original(self.data.source, record, role), header=None)

    def truth(self, case: str) -> Case:
        """Return the case as its files hold it, before any preparation."""
        return self._once(case, "truth", self.data.source.load)

    def role(self, case: str, requested: str) -> str:
        """Return `target` if it is requested and the case has a target of its own, else `image`."""
        return "target" if requested == "target" and "target" in self.truth(case) else "image"

    def is_plane(self, case: str) -> bool:
        """Return True if the file of a case has two axes and is loaded as a volume of one slice."""
        like = self._original(case, "image")
        return like.plane and self.truth(case)["image"].ndim == 4

    def as_written(self, batch: Batch, rows: list[int], answer: Tensor, role: str = "image") -> AsWritten:
        """Return the file of a prediction, on the grid and in the units of the case's file.

        Args:
            batch: Evaluation batch.
            rows: Rows of the case.
            answer: Prediction [C, *spatial] on the network's grid. Integers are class numbers, which are
                written as the values of the data set's masks; background outside of the case's own region.
            role: File that it is written like: `image`, `target`, or `map` for float32 values in units of
                their own on the image's grid; `instances`: integers are numbers of objects, and stay.
        """
        values, case = answer.detach().cpu().numpy(), batch["case"][rows[0]]
        affine = _grid(batch, rows[0])["input_affine"]
        if not answer.is_floating_point():
            numbers = self.classes(batch, rows, answer)
            if "mask" in batch and (region := self.truth(case).get("mask")) is not None:
                numbers = np.where(region > 0, numbers, numbers.dtype.type(0))
            numbers = unsigned(numbers) if role == "instances" else self._values_of_masks(numbers)
            return AsWritten(numbers, self._original(case, "image").holding(numbers.dtype), affine)
        like = self._original(case, self.role(case, role))
        if role == "map":
            like = like.holding(np.dtype(np.float32))
        elif role == "target" and self.target is not None and self.role(case, role) != "target":
            own = self.target
            like = replace(like, dtype=np.dtype(own["dtype"]), slope=own["slope"], inter=own["inter"])
        on_file = restore(values, _grid(batch, rows[0]), fill=float(values.min()))
        own_units = self.data.own_target or "offset" in (self.target or ())
        clipped = like.beyond(on_file) if role == "target" and own_units else 0
        written = AsWritten(like.stored(on_file), like, affine, clipped)
        if clipped and self.target is None and not self.told_clipped:  # `predict` says it of each case
            self.told_clipped = True
            log.warning("%s: %s; further cases are not named", case, written.note)
        return written

    def classes(self, batch: Batch, rows: list[int], label: Tensor) -> np.ndarray:
        """Resample a label map to the grid of its file.

        Args:
            batch: Evaluation batch.
            rows: Rows of the case.
            label: Class numbers [1, *spatial] on the network's grid.
        """
        return restore(label.detach().cpu().numpy(), _grid(batch, rows[0]), order=0)

    def read_back(self, batch: Batch, images: Tensor) -> Tensor:
        """Return images [B, C, *spatial] as a network would get them from files like their cases' files.

        They stay on the network's grid; values are rounded and clipped as the type of the file demands.
        """
        out = torch.empty_like(images, dtype=torch.float32)
        for case, rows in rows_by_case(batch):
            scale, offset = scale_and_offset(batch, rows[0], images.dim() - 2)
            like = self._original(case, "image")
            values = (images[rows].double() * scale + offset).cpu().numpy()
            stored = AsWritten(like.stored(values), like, np.eye(4)).values
            exact = self._once(case, "units", self.data.cache.get)
            shape = (-1, *[1] * (images.dim() - 2))
            file_offset, file_scale = (
                np.asarray(exact[key], np.float64).reshape(shape) for key in ("offset", "scale")
            )
            out[rows] = torch.from_numpy(((stored - file_offset) / file_scale).astype(np.float32)).to(out)
        return out

    def planes(self, batch: Batch, row: int, volume: np.ndarray) -> np.ndarray:
        """Split a volume on a file's grid into the parts that the network gets one by one.

        A sliced volume is cut across the axis of the file that is nearest to the slices' axis, in the order
        of the slices.

        Args:
            batch: Evaluation batch.
            row: Row of the case.
            volume: Values [C, *spatial] on the file's grid.

        Returns:
            Parts [n, C, *spatial]; n is 1 unless the volume is sliced.
        """
        if "slice" not in batch:
            return volume[None]
        grid = _grid(batch, row)
        direction = (np.linalg.inv(grid["input_affine"]) @ grid["affine"])[:3, 2]
        axis = int(np.abs(direction).argmax())
        slices = np.moveaxis(volume, axis + 1, 0)
        return slices[::-1] if direction[axis] < 0 else slices

    def planes_by_row(
        self, batch: Batch, rows: list[int], volume: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Distribute the planes of a volume on the file's grid to the rows of its case.

        Args:
            batch: Evaluation batch.
            rows: Rows of the case.
            volume: Values [C, *spatial] on the file's grid.

        Yields:
            (row, its planes [n, C, *spatial]). n is 1, unless the file has another number of slices than
            the case has on the network's grid.
        """
        ordered = sorted(rows, key=lambda row: int(batch["slice"][row])) if "slice" in batch else rows
        parts = np.array_split(self.planes(batch, rows[0], volume), len(rows))
        yield from zip(ordered, parts, strict=True)

    def _original(self, case: str, role: str) -> Original:
        read = partial(original, self.data.source, role=role)
        if hasattr(self.data.source, "paths"):
            return self._once(case, role, read)
        if (case, role) not in self._made:  # no file: its type is all there is, and costs a load
            self._made[case, role] = read(self.records[case])
        return self._made[case, role]

    def _once(self, case: str, what: str, read: Callable[[Record], T]) -> T:
        if case != self._case:
            self._case, self._read = case, {}
        if what not in self._read:
            self._read[what] = read(self.records[case])
        found: T = self._read[what]
        return found

    def _values_of_masks(self, label: np.ndarray) -> np.ndarray:
        """Return class numbers as values of the data set's masks, in the smallest type that holds all."""
        values = np.array(self.data.label_values)
        smallest = np.result_type(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
        return np.asarray(values.astype(smallest)[label])


def unsigned(numbers: np.ndarray) -> np.ndarray:
    """Return numbers of objects in 16 bits, or in 32 if there are more than these hold."""
    return numbers.astype(np.uint16 if numbers.max(initial=0) < 2**16 else np.uint32)


def _grid(batch: Batch, row: int) -> Case:
    return {key: batch[key][row].double().cpu().numpy() for key in GRID}


def grids(batch: Batch, row: int) -> tuple[Grid, Grid]:
    """Return the grids of the network's image and of the file, for a row that is a whole case."""
    grid = _grid(batch, row)
    shape = tuple(int(n) for n in grid["input_shape"])
    return Grid(grid["affine"], tuple(batch["image"].shape[2:])), Grid(grid["input_affine"], shape)
