"""Arrays as a source of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganatomy.data.records import Case, Record
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed
from ganatomy.training.preprocessing import Preprocessing


@dataclass
class ArraySource:
    """An array as a source with one case.

    Args:
        kept: Preprocessing of the run.
        array: [*spatial] or [C, *spatial].
        given_spacing: mm along each axis.
        given_affine: [4, 4], in place of spacing.

    Raises:
        UserError: The shape does not suit the run, or a volume has neither spacing nor affine.
    """

    kept: Preprocessing
    array: np.ndarray
    given_spacing: Sequence[float] | None = None
    given_affine: np.ndarray | None = None

    def __post_init__(self) -> None:
        kept, shape = self.kept, self.array.shape
        self.channels, self.spatial_dims, self.size = kept.channels, kept.spatial_dims, kept.size
        self.classes = self.box_classes = self.image_classes = ()
        has_channels = self.array.ndim > kept.spatial_dims and shape[0] == kept.channels
        is_volume = self.array.ndim == 3 and kept.channels == 1 and not (has_channels and shape[0] == 1)
        self.image = self.array if has_channels and not is_volume else self.array[None]
        if len(self.image) != kept.channels or self.image.ndim - 1 not in (kept.spatial_dims, 3):
            wanted = f"{kept.spatial_dims} axes" + (
                f" after {kept.channels} channels, which come first" if kept.channels > 1 else ""
            )
            raise UserError(f"image: an array of shape {tuple(shape)} is not what the run takes: {wanted}")
        dims = self.image.ndim - 1
        if dims == 3 and self.given_spacing is None and self.given_affine is None:
            raise UserError(
                f"spacing: is missing; the array of shape {tuple(shape)} is taken for a volume: give "
                "mm along each axis, or affine="
            )
        if self.given_spacing is not None and self.given_affine is not None:
            raise UserError("spacing, affine: give one of them; an affine has the spacing")
        if self.given_spacing is not None:
            spacing = _numbers(self.given_spacing, "spacing")
            if spacing.shape != (dims,) or not (spacing > 0).all():
                raise UserError(
                    f"spacing={as_typed(self.given_spacing)}: give mm along each of the {dims} axes, above 0"
                )
        if self.given_affine is not None:
            affine = _numbers(self.given_affine, "affine")
            if affine.shape != (4, 4) or abs(np.linalg.det(affine)) < 1e-12:
                raise UserError("affine: give [4, 4] numbers that turn voxel indices into mm, invertible")

    def records(self) -> list[Record]:
        return [Record("image", "image", "test")]

    def load(self, record: Record) -> Case:
        dims = self.image.ndim - 1
        spacing = np.asarray([1.0] * dims if self.given_spacing is None else self.given_spacing, float)
        affine = np.diag([*spacing, *[1.0] * (4 - dims)]) if self.given_affine is None else self.given_affine
        affine = np.asarray(affine, float)
        return {
            "image": self.image,
            "affine": affine,
            "spacing": np.linalg.norm(affine[:3, :dims], axis=0),
        }

    def fingerprint(self, record: Record) -> str:
        return "array"

    def content(self, record: Record) -> str:
        return "array"


def as_array(image: Any) -> np.ndarray:
    """Return an array, or what numpy takes for one, such as a tensor, as numbers."""
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    array = np.asarray(image) if hasattr(image, "__array__") else None
    if array is None or array.dtype.kind not in "buif" or not array.size:
        found = type(image).__name__ if array is None else f"an array {array.shape} of {array.dtype}"
        raise UserError(f"image: {found} is no image; give a path, or an array of real numbers")
    return array


def _numbers(given: Any, key: str) -> np.ndarray:
    try:
        numbers = np.asarray(given, float)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if not np.isfinite(numbers).all():
        raise UserError(f"{key}: has values that are no finite numbers")
    return numbers
