"""Deterministic preparation of cases; its results are cached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

from ganatomy.data.records import PICTURES, Case, Record, Source, picture
from ganatomy.data.regrid import Grid, fitted, refuse_lines, regrid, respaced, turned
from ganatomy.data.transforms.body import with_mask
from ganatomy.data.transforms.boxes import boxes_on
from ganatomy.data.transforms.instances import renumbered
from ganatomy.data.transforms.intensity import Intensity, as_many, column, mapping, one_each
from ganatomy.data.transforms.missing import Missing, check_missing, units_of_sides, with_presence, zeroed
from ganatomy.data.transforms.patches import facts_of_patches
from ganatomy.errors import UserError, one_of
from ganatomy.text.values import as_typed

RESIZE = ("pad", "letterbox", "cover", "stretch", "crop")
VERSION = 1
"""Part of the hash of data: increase it when the same settings change their meaning."""
LAYOUT, PATCHED = 2, 4
"""Part of the cache keys only, without and with patches: increase it if prepared cases hold other arrays."""
FIRST_NAMES = {"resize": "fit"}
"""Settings renamed since: the hash of the data is made with the first name."""


@dataclass(frozen=True)
class Preparation:
    """Preparation of cases: orientation, spacing, size and intensity.

    Attributes:
        spatial_dims: number of spatial axes of the network; with 2, volumes become stacks of slices.
        intensity: see `Intensity`.
        orientation: directions of the axes of volumes (RAS, ...; PLS shows axial slices upright); None keeps
            the file's.
        spacing: mm per axis; None, or None for an axis, keeps the file's.
        size: shape of the result, a side or one number per axis; None keeps each case's own.
        resize: see `fitted`; None pads volumes and letterboxes pictures.
        seeds: keep what patches are chosen by, see `facts_of_patches`.
        target_intensity: intensity of a target with other units than its image; None gives it the offset and
            scale of its image.
        mask: `auto` finds the body in images without a mask of their own, see `body_mask`.
        missing: see `transforms.missing`.
    """

    spatial_dims: int
    intensity: Intensity = "zscore"
    orientation: str | None = "PLS"
    spacing: tuple[float | None, ...] | None = None
    size: int | tuple[int, ...] | None = None
    resize: str | None = None
    seeds: bool = False
    target_intensity: Intensity = field(default=None, repr=False)
    mask: str | None = field(default=None, repr=False)
    missing: Missing = field(default=None, repr=False)

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
            raise UserError(f"data.size={as_typed(self.size)}: must be 1 or more")
        for key, given in (("intensity", self.intensity), ("target_intensity", self.target_intensity)):
            for setting in one_each(given) or [given]:
                mapping(np.zeros((1, 2, 2)), setting, f"data.{key}")

    def check_channels(self, image: int, target: int, drop: float = 0.0) -> None:
        """Refuse settings that do not suit the number of channels.

        Args:
            image: channels of the image.
            target: channels of the target.
            drop: see `with_drops`.

        Raises:
            UserError: a list of intensities has another length, or channels are dropped that must be there.
        """
        check_missing(self.missing, drop, image)
        as_many(self.intensity, image, "data.intensity")
        as_many(self.target_intensity, target, "data.target_intensity")

    def __call__(self, case: Case, whole: bool = False) -> Case:
        """Return the prepared case.

        Images are float32 and normalised. Volumes for a 2D network become stacks of slices [S,C,H,W], whose
        `affine` and `spacing` are those of the volume [H,W,S].

        Args:
            case: arrays as the source loads them.
            whole: crop nothing, see `grid`.

        Returns:
            The case with `offset` and `scale` (see `in_units`), for a target `target_offset` and
            `target_scale`, and the file's grid as `input_affine` and `input_shape`.

        Raises:
            UserError: a setting does not fit the images.
        """
        case = with_presence(with_mask(case, self.mask), self.missing)
        source = grid_of(case)
        target = self.grid(source, whole)
        ready: Case = {"affine": target.affine, "spacing": target.spacing}
        ready |= {"input_affine": source.affine, "input_shape": np.array(source.shape)}
        for key, (offset, scale) in units_of_sides(case, self.intensity, self.target_intensity).items():
            values = case[key].astype(np.result_type(case[key].dtype, np.float32))
            values = regrid(values, source, target, order=1, fill=float(values.min()))
            dims, prefix = len(target.shape), "" if key == "image" else f"{key}_"
            ready |= {f"{prefix}offset": offset, f"{prefix}scale": scale}
            normal = (values.astype(np.float64) - column(offset, dims)) / column(scale, dims)
            ready[key] = normal.astype(np.float32)
        marked = [key for key in ("label", "mask", "instances") if key in case]
        ready |= {key: regrid(case[key], source, target, order=0) for key in marked}
        if "present" in case:
            ready |= {"image": zeroed(ready["image"], case["present"]), "present": case["present"]}
        if "boxes" in case:
            ready["boxes"], kept = boxes_on(case["boxes"], source, target)
            ready["classes"] = case["classes"][kept]
            if "instances" in ready:
                ready["instances"] = renumbered(ready["instances"], kept)
        if "class" in case:
            ready["class"] = case["class"]
        stacked = len(target.shape) == 3 and self.spatial_dims == 2
        if self.seeds:
            ready |= facts_of_patches(ready, stacked)
        return sliced(ready) if stacked else ready

    def kept(self, source: Grid) -> float:
        """Return the share of an image that training keeps; 1 unless `size` crops it."""
        if not self.size:
            return 1.0
        part, whole = (math.prod(self.grid(source, whole).shape) for whole in (False, True))
        return part / whole

    def grid(self, source: Grid, whole: bool = False) -> Grid:
        """Return the grid of a prepared training case; with `whole`, the grid that crops nothing."""
        dims = len(source.shape)
        if dims < self.spatial_dims:
            words = f"the images have {dims} dimensions; set data.spatial_dims={dims}"
            raise UserError(f"data.spatial_dims={self.spatial_dims}: {words}")
        target = turned(source, self.orientation) if self.orientation and dims == 3 else source
        refuse_lines(target, self.spatial_dims, self.orientation)
        if self.spacing:
            wanted = self._per_axis(self.spacing, target.spacing.tolist(), "spacing")
            target = respaced(target, np.array(wanted, float))
        if self.size:
            size = (self.size,) * self.spatial_dims if isinstance(self.size, int) else self.size
            size = tuple(int(n) for n in self._per_axis(size, target.shape, "size"))
            target = fitted(target, size, self.resize or ("pad" if dims == 3 else "letterbox"), whole)
        return target

    @staticmethod
    def _per_axis(wanted: Sequence[float | None], present: Sequence[float], key: str) -> list[float]:
        """Return numbers for all axes; axes without one (the slice axis, or null) keep their own."""
        if len(wanted) > len(present):
            raise UserError(
                f"data.{key}={list(wanted)}: the images have {len(present)} dimensions; give as many"
            )
        rest = [None] * (len(present) - len(wanted))
        return [old if new is None else new for new, old in zip([*wanted, *rest], present, strict=True)]


@dataclass(frozen=True)
class Prepared:
    """A source with a preparation; small enough to be sent to worker processes.

    Training crops an image that is larger than `size` to its middle; validation and test keep it whole.

    Attributes:
        source: the data set.
        preparation: what is done to every case.
        cut: validation and test are cropped too.
    """

    source: Source
    preparation: Preparation
    cut: bool = False

    def make(self, record: Record, whole: bool | None = None) -> Case:
        """Load and prepare a case; `whole` overrides whether it is cropped."""
        return self.prepare(record, self.source.load(record), whole)

    def prepare(self, record: Record, case: Case, whole: bool | None = None) -> Case:
        """Prepare a case that is loaded already.

        Args:
            record: its record.
            case: its arrays.
            whole: overrides whether it is cropped.
        """
        return self.preparation(case, self.whole(record) if whole is None else whole)

    def whole(self, record: Record) -> bool:
        """Return True if the case is never cropped."""
        return record.split != "train" and not self.cut

    def key(self, record: Record) -> str:
        """Return a text that changes whenever the prepared case would."""
        cuts = self.preparation.size is not None and self.preparation.resize not in ("letterbox", "stretch")
        whole = " whole" if cuts and self.whole(record) else ""
        layout = PATCHED if self.preparation.seeds else LAYOUT
        return f"{self.source.fingerprint(record)} {self.preparation} {VERSION} {layout}{whole}"


def grid_of(case: Case) -> Grid:
    """Return the grid of a case's image; of its target, if it has no image."""
    return Grid(case["affine"], picture(case).shape[1:])


def restore(array: np.ndarray, case: Case, order: int = 1, fill: float = 0.0) -> np.ndarray:
    """Resample an array from the grid of a prepared case to the grid of its file.

    Exact if the preparation did not interpolate.

    Args:
        array: [C,*spatial]; for slices, the volume [C,H,W,S].
        case: the prepared case.
        order: 1 linear, 0 nearest, for label maps.
        fill: value outside the array.
    """
    file = Grid(np.asarray(case["input_affine"]), tuple(int(n) for n in case["input_shape"]))
    return regrid(array, Grid(np.asarray(case["affine"]), array.shape[1:]), file, order, fill)


def sliced(case: Case) -> Case:
    """Return the case with the slice axis of its pictures first."""
    return case | {k: np.ascontiguousarray(np.moveaxis(case[k], -1, 0)) for k in PICTURES if k in case}
