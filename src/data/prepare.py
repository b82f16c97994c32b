"""The deterministic part of the way from file to network; what it returns is what is cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.data.boxes import move_boxes, usable_boxes
from src.data.intensity import Intensity, mapping
from src.data.records import Case, Record, Source
from src.data.regrid import Grid, fitted, regrid, respaced, turned
from src.errors import UserError

FITS = ("pad", "letterbox", "cover", "stretch")
VERSION = 1
"""Part of the caches' keys: raise it when the same settings come to mean something else."""
SEEDS = 256
"""Voxels of each foreground class that are remembered as places to cut patches around."""


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation, and the preparation itself.

    orientation: where the axes of volumes lead (RAS, ...; PLS shows axial slices upright). spacing: mm
    per axis; null, or null for an axis, keeps the file's. size, fit: see `fitted`; by default volumes are
    padded and pictures letterboxed.
    """

    spatial_dims: int
    intensity: Intensity = "zscore"
    orientation: str | None = "PLS"
    spacing: tuple[float | None, ...] | None = None
    size: int | tuple[int, ...] | None = None
    fit: str | None = None
    seeds: bool = False

    def __post_init__(self) -> None:
        if self.fit not in (None, *FITS):
            raise UserError(f"data.fit={self.fit}: choose {', '.join(FITS)} or null")
        if self.spacing and min((s for s in self.spacing if s is not None), default=1) <= 0:
            raise UserError(f"data.spacing={list(self.spacing)}: must be above 0")
        sides = [self.size] if isinstance(self.size, int) else list(self.size or [1])
        if min(sides) < 1:
            raise UserError(f"data.size={self.size}: must be 1 or more")
        mapping(np.zeros((1, 2, 2)), self.intensity)

    def __call__(self, case: Case) -> Case:
        """Float32 images in the network's units; volumes for a 2D network become stacks of slices, first
        axis [S,C,H,W].

        Adds `offset` and `scale` (the input's units are image * scale + offset), and `input_affine` and
        `input_shape`, the grid of the file; `affine` and `spacing` are those of what is returned, for
        slices of the volume [H,W,S].
        """
        source = Grid(case["affine"], case["image"].shape[1:])
        target = self.grid(source)
        offset, scale = mapping(case["image"], self.intensity)
        ready: Case = {
            "affine": target.affine,
            "spacing": target.spacing,
            "offset": np.array([offset]),
            "scale": np.array([scale]),
        }
        ready |= {"input_affine": source.affine, "input_shape": np.array(source.shape)}
        for key in ("image", "target"):
            if key in case:
                values = case[key].astype(np.result_type(case[key].dtype, np.float32))
                values = regrid(values, source, target, order=1, fill=float(values.min()))
                ready[key] = ((values.astype(np.float64) - offset) / scale).astype(np.float32)
        if "label" in case:
            ready["label"] = regrid(case["label"], source, target, order=0)
            if self.seeds:
                ready["seeds"] = places(ready["label"][0])
        if "boxes" in case:
            cut, usable = usable_boxes(case["boxes"], source.shape)
            ready["boxes"], inside = usable_boxes(move_boxes(cut[usable], source, target), target.shape)
            ready["boxes"], ready["classes"] = ready["boxes"][inside], case["classes"][usable][inside]
        if "class" in case:
            ready["class"] = case["class"]
        return sliced(ready) if len(target.shape) == 3 and self.spatial_dims == 2 else ready

    def grid(self, source: Grid) -> Grid:
        """The voxels on which a case is served."""
        dims = len(source.shape)
        if dims < self.spatial_dims:
            raise UserError(
                f"data.spatial_dims={self.spatial_dims}: the images have {dims} dimensions; "
                f"set data.spatial_dims={dims}"
            )
        target = turned(source, self.orientation) if self.orientation and dims == 3 else source
        if self.spacing:
            wanted = self._per_axis(self.spacing, target.spacing.tolist(), "spacing")
            target = respaced(target, np.array(wanted, float))
        if self.size:
            size = (self.size,) * self.spatial_dims if isinstance(self.size, int) else self.size
            size = tuple(int(n) for n in self._per_axis(size, target.shape, "size"))
            target = fitted(target, size, self.fit or ("pad" if dims == 3 else "letterbox"))
        return target

    @staticmethod
    def _per_axis(wanted: Sequence[float | None], own: Sequence[float], key: str) -> list[float]:
        """Numbers for all axes; those not given (the slices' axis, or null) stay as they are."""
        if len(wanted) > len(own):
            raise UserError(f"data.{key}={list(wanted)}: the images have {len(own)} dimensions")
        return [
            o if w is None else w
            for w, o in zip([*wanted, *[None] * (len(own) - len(wanted))], own, strict=True)
        ]


@dataclass(frozen=True)
class Prepared:
    """A source seen through a preparation; small enough to be sent to any process."""

    source: Source
    preparation: Preparation

    def make(self, record: Record) -> Case:
        """The prepared case."""
        return self.preparation(self.source.load(record))

    def key(self, record: Record) -> str:
        """Changes whenever the prepared case would."""
        return f"{self.source.fingerprint(record)} {self.preparation} {VERSION}"


def restore(array: np.ndarray, case: Case, order: int = 1, fill: float = 0.0) -> np.ndarray:
    """An array [C,*spatial] on the grid of a prepared case, brought back to the grid of its file; exact
    where no voxel was resampled.

    For slices, give the volume [C,H,W,S]. order 0 for label maps.
    """
    file = Grid(np.asarray(case["input_affine"]), tuple(int(n) for n in case["input_shape"]))
    return regrid(array, Grid(np.asarray(case["affine"]), array.shape[1:]), file, order, fill)


def sliced(case: Case) -> Case:
    """The volume's arrays with the slices first."""
    moved = {
        key: np.ascontiguousarray(np.moveaxis(case[key], -1, 0))
        for key in ("image", "target", "label")
        if key in case
    }
    return case | moved


def places(label: np.ndarray) -> np.ndarray:
    """Up to `SEEDS` voxels of each class above 0, [N, dims], the same for the same label map."""
    rng = np.random.default_rng(0)
    found = []
    for value in range(1, int(label.max(initial=0)) + 1):
        inside = np.flatnonzero(label == value)
        chosen = inside if len(inside) <= SEEDS else rng.choice(inside, SEEDS, replace=False)
        found.append(np.stack(np.unravel_index(chosen, label.shape), 1))
    return np.concatenate(found) if found else np.zeros((0, label.ndim), np.int64)
