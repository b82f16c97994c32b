"""The deterministic part of the way from file to network; what it returns is what is cached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

from ganatomy.data.records import Case, Record, Source
from ganatomy.data.regrid import Grid, fitted, orientations, regrid, respaced, turned
from ganatomy.data.transforms.boxes import move_boxes, usable_boxes
from ganatomy.data.transforms.intensity import Intensity, column, mapping, one_each, units
from ganatomy.errors import UserError, one_of

RESIZE = ("pad", "letterbox", "cover", "stretch", "crop")
VERSION = 1
"""Part of the hash of data: raise it when the same settings come to mean something else."""
LAYOUT = 2
"""Part of the caches' keys alone: raise it when a prepared case comes to hold other things."""
FIRST_NAMES = {"resize": "fit"}
"""Settings renamed since: the hash of the data is made with the first name."""
SEEDS = 256
"""Voxels of each foreground class that are remembered as places to cut patches around."""


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation, and the preparation itself.

    orientation: where the axes of volumes lead (RAS, ...; PLS shows axial slices upright). spacing: mm
    per axis; null, or null for an axis, keeps the file's. size, fit: see `fitted`; by default volumes are
    padded and pictures letterboxed. target_intensity: of a target with units of its own; null gives it the
    offset and scale of its image, which a clean and a noisy image share.
    """

    spatial_dims: int
    intensity: Intensity = "zscore"
    orientation: str | None = "PLS"
    spacing: tuple[float | None, ...] | None = None
    size: int | tuple[int, ...] | None = None
    resize: str | None = None
    seeds: bool = False
    target_intensity: Intensity = field(default=None, repr=False)

    def __repr__(self) -> str:
        """Return the settings as they enter the hash of the data.

        Settings keep their first name, and one added later is included only if it differs from its default.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.repr or self._is_changed(f)}
        text = ", ".join(f"{FIRST_NAMES.get(name, name)}={value!r}" for name, value in values.items())
        return f"{type(self).__name__}({text})"

    def _is_changed(self, setting: Field[Any]) -> bool:
        return bool(getattr(self, setting.name) != setting.default)

    def __post_init__(self) -> None:
        one_of("data.resize", self.resize, (*RESIZE, None))
        if self.spacing and min((s for s in self.spacing if s is not None), default=1) <= 0:
            raise UserError(f"data.spacing={list(self.spacing)}: must be above 0")
        sides = [self.size] if isinstance(self.size, int) else list(self.size or [1])
        if min(sides) < 1:
            raise UserError(f"data.size={self.size}: must be 1 or more")
        for key, given in (("intensity", self.intensity), ("target_intensity", self.target_intensity)):
            for setting in one_each(given) or [given]:
                mapping(np.zeros((1, 2, 2)), setting, f"data.{key}")

    def __call__(self, case: Case, whole: bool = False) -> Case:
        """Float32 images in the network's units; volumes for a 2D network become stacks of slices, first
        axis [S,C,H,W].

        Adds `offset` and `scale` (the input's units are `in_units` of them), `target_offset` and
        `target_scale` beside a target, and `input_affine` and `input_shape`, the grid of the file; `affine`
        and `spacing` are those of what is returned, for slices of the volume [H,W,S]. whole: see `grid`.
        """
        source = grid_of(case)
        target = self.grid(source, whole)
        ready: Case = {"affine": target.affine, "spacing": target.spacing}
        ready |= {"input_affine": source.affine, "input_shape": np.array(source.shape)}
        for key, (offset, scale) in self._units(case).items():
            values = case[key].astype(np.result_type(case[key].dtype, np.float32))
            values = regrid(values, source, target, order=1, fill=float(values.min()))
            dims, named = len(target.shape), "" if key == "image" else f"{key}_"
            ready |= {f"{named}offset": offset, f"{named}scale": scale}
            normal = (values.astype(np.float64) - column(offset, dims)) / column(scale, dims)
            ready[key] = normal.astype(np.float32)
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

    def _units(self, case: Case) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Offset and scale of the image, and of the target where there is one."""
        found = {"image": units(case["image"], self.intensity)}
        if "target" in case and self.target_intensity is not None:
            found["target"] = units(case["target"], self.target_intensity, "data.target_intensity")
        elif "target" in case:
            found["target"] = found["image"]
            if len(found["image"][0]) not in (1, len(case["target"])):
                raise UserError(
                    f"data.intensity: has a setting for each of {len(case['image'])} channels, and the "
                    f"target has {len(case['target'])}; set data.target_intensity"
                )
        return found

    def kept(self, source: Grid) -> float:
        """The share of an image that lies in what is trained on; 1 unless `size` cuts something off."""
        if not self.size:
            return 1.0
        part, whole = (math.prod(self.grid(source, whole).shape) for whole in (False, True))
        return part / whole

    def grid(self, source: Grid, whole: bool = False) -> Grid:
        """The voxels on which a case is served in training; `whole`: on which nothing of it is cut off."""
        dims = len(source.shape)
        if dims < self.spatial_dims:
            raise UserError(
                f"data.spatial_dims={self.spatial_dims}: the images have {dims} dimensions; "
                f"set data.spatial_dims={dims}"
            )
        target = turned(source, self.orientation) if self.orientation and dims == 3 else source
        self._check_slices(target)
        if self.spacing:
            wanted = self._per_axis(self.spacing, target.spacing.tolist(), "spacing")
            target = respaced(target, np.array(wanted, float))
        if self.size:
            size = (self.size,) * self.spatial_dims if isinstance(self.size, int) else self.size
            size = tuple(int(n) for n in self._per_axis(size, target.shape, "size"))
            target = fitted(target, size, self.resize or ("pad" if dims == 3 else "letterbox"), whole)
        return target

    def _check_slices(self, target: Grid) -> None:
        """Raises UserError where slices of a single plane would be lines of it."""
        shape = target.shape
        if len(shape) == self.spatial_dims or shape[-1] == 1 or shape[:-1].count(1) != 1:
            return
        thin = orientations.aff2axcodes(target.affine)[shape.index(1)]
        way = {"L": "IPL", "R": "IPL", "P": "ILP", "A": "ILP"}.get(thin, "PLS")
        voxels = "x".join(map(str, shape))
        raise UserError(
            f"data.orientation={self.orientation}: a single slice of {voxels} voxels would be "
            f"cut into lines; set data.orientation={way}, which leaves it whole"
        )

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
    """A source seen through a preparation; small enough to be sent to any process.

    Where `size` is smaller than an image, training has its middle, and validation and test have it whole;
    cut: they have its middle too.
    """

    source: Source
    preparation: Preparation
    cut: bool = False

    def make(self, record: Record, whole: bool | None = None) -> Case:
        """The prepared case; whole: of training too."""
        return self.prepare(record, self.source.load(record), whole)

    def prepare(self, record: Record, case: Case, whole: bool | None = None) -> Case:
        """The same, of a case that was read already."""
        return self.preparation(case, self.whole(record) if whole is None else whole)

    def whole(self, record: Record) -> bool:
        """Whether nothing of a case is cut off, whatever its size."""
        return record.split != "train" and not self.cut

    def key(self, record: Record) -> str:
        """Changes whenever the prepared case would."""
        cuts = self.preparation.size is not None and self.preparation.resize not in ("letterbox", "stretch")
        whole = " whole" if cuts and self.whole(record) else ""
        return f"{self.source.fingerprint(record)} {self.preparation} {VERSION} {LAYOUT}{whole}"


def grid_of(case: Case) -> Grid:
    """The voxels of a case's image."""
    return Grid(case["affine"], case["image"].shape[1:])


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
