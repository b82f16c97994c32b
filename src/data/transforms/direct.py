"""MONAI's usual random transforms computed directly: the same draws and numbers, without its bookkeeping.

None of them changes the shape of a picture, or gives a label a value that is neither one of its own nor 0. A
mask and an instance map move with the image even if a transform does not name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from monai.config.deviceconfig import USE_COMPILED
from monai.transforms import (
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSharpend,
    RandGaussianSmoothd,
    RandGibbsNoised,
    RandHistogramShiftd,
    Randomizable,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from monai.transforms.utils import map_spatial_axes
from torch import Tensor
from torch.nn.functional import grid_sample

from ganatomy.data.transforms.instances import NO_BOX

Item = dict[str, Any]
MODES, PADDINGS = {"bilinear", "nearest"}, {"zeros", "border", "reflection"}
INTENSITY = {
    RandAdjustContrastd,
    RandBiasFieldd,
    RandGaussianNoised,
    RandGaussianSharpend,
    RandGaussianSmoothd,
    RandGibbsNoised,
    RandHistogramShiftd,
    RandScaleIntensityd,
    RandShiftIntensityd,
}
"""Transforms that leave an item as it is unless their first number, in 0 to 1, is below their `prob`."""
FOLLOWING = ("mask", "instances")
"""Pictures that move with the image even if a transform does not name them."""
SEEDS = 2**32
"""Number of seeds, of which MONAI's `Compose` draws one for each of its transforms."""


class Step(Protocol):
    """One transform."""

    def __call__(self, item: Item, seed: int) -> np.ndarray | None:
        """Draw by a seed, and transform an item in place; its boxes stay where they were.

        Args:
            item: tensors of one row.
            seed: seed of the transform.

        Returns:
            The affine [4, 4] from voxels afterwards to voxels before; None where nothing moved.
        """
        ...


class Direct:
    """A list of transforms, each computed directly."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps, self.state = steps, np.random.RandomState(0)

    def __call__(self, item: Item, seed: int) -> np.ndarray | None:
        """Apply all steps, see `Step`; `seed` gives the draws of MONAI's `Compose.set_random_state(seed)`."""
        self.state.seed(seed % SEEDS)
        moved: np.ndarray | None = None
        for step in self.steps:
            affine = step(item, int(self.state.randint(SEEDS, dtype="uint32")))
            if affine is not None:
                moved = affine if moved is None else moved @ affine
        return moved


def direct(transforms: Sequence[Any]) -> Direct | None:
    """Return the transforms computed directly; None if there are none, or one has no direct form."""
    steps = [step_of(transform) for transform in transforms]
    known = [step for step in steps if step is not None]
    return Direct(known) if steps and len(known) == len(steps) else None


def step_of(transform: Any) -> Step | None:
    """Return the direct form of a transform; None if it has none."""
    kind = type(transform)
    if kind is RandFlipd and not transform.lazy:
        return Flip(transform)
    if kind is RandAffined and _is_usual(transform) and not USE_COMPILED:
        return Affine(transform)
    if kind in INTENSITY and not {"label", *FOLLOWING, "boxes"} & set(transform.keys):
        return Intensity(transform)
    return None


class Random:
    """A MONAI transform with a random state of its own in each of its parts.

    Seeding a state anew takes a fiftieth of the time of `RandomState(seed)`, which first reads entropy of the
    system, and gives the same numbers.
    """

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        transform.set_random_state(seed=0)  # else parts share the state of their class
        self.parts = [transform, *_inside(transform)]

    def happens(self, seed: int) -> bool:
        """Seed all parts, draw, and return True if the transform does something."""
        for part in self.parts:
            part.R.seed(seed)
        return bool(self.transform.R.rand() < self.transform.prob)


class Flip(Random):
    """`RandFlipd`."""

    def __call__(self, item: Item, seed: int) -> np.ndarray | None:
        if not self.happens(seed):
            return None
        affine = np.eye(4)
        for (key,) in _with_followers(self.transform.key_iterator(item), item):
            axes = map_spatial_axes(item[key].ndim, self.transform.flipper.spatial_axis)
            item[key] = torch.flip(item[key], axes)
            if key == "image":
                for axis in axes:
                    affine[axis - 1, axis - 1] *= -1
                    affine[axis - 1, 3] = item[key].shape[axis] - 1
        return affine


class Affine(Random):
    """`RandAffined` that keeps the size of its images."""

    def __init__(self, transform: Any) -> None:
        super().__init__(transform)
        self.grids: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, item: Item, seed: int) -> np.ndarray | None:
        if not self.happens(seed):
            return None
        inner, modes = self.transform.rand_affine, (self.transform.mode, self.transform.padding_mode)
        keys = _with_followers(self.transform.key_iterator(item, *modes), item, "nearest", "zeros")
        shape = tuple(item[keys[0][0]].shape[1:])
        inner.randomize()
        inner.rand_affine_grid(shape, lazy=True)  # draws again, as MONAI does
        affine = inner.rand_affine_grid.get_transformation_matrix()
        places = self._places(affine.float(), shape)
        for key, mode, padding in keys:
            picture = item[key]
            shift = (
                NO_BOX if key == "instances" else 0
            )  # what lies outside the image is unknown, not background
            values = picture[None].double() - shift
            moved = grid_sample(values, places, str(mode), str(padding), align_corners=False) + shift
            item[key] = moved[0].to(torch.float32 if picture.is_floating_point() else picture.dtype)
        return _about_the_middle(affine.numpy(), shape)

    def _places(self, affine: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return where each voxel's value is taken from, [1, *spatial, dims], for `grid_sample`.

        Computed in MONAI's precision and order, so that no label at a tie gets another value.
        """
        if shape not in self.grids:
            grid = self.transform.rand_affine.get_identity_grid(shape, lazy=False).float()
            self.grids = {shape: grid.reshape(len(grid), -1)}
        moved = (affine @ self.grids[shape]).view(-1, *shape)[: len(shape)]
        places = moved.flip(0).movedim(0, -1)[None].double()
        for axis, side in enumerate(reversed(shape)):
            places[..., axis] *= 2.0 / max(2, side)
        return places


class Intensity(Random):
    """A transform of intensities: MONAI's own, called where it does something."""

    def __call__(self, item: Item, seed: int) -> np.ndarray | None:
        if self.happens(seed):
            for part in self.parts:
                part.R.seed(seed)
            item.update(self.transform(item))
        return None


def _with_followers(keys: Iterable[Any], item: Item, *more: str) -> list[tuple[Any, ...]]:
    """Return the keys of a transform as tuples, with those of `FOLLOWING` if it moves the image alone.

    Args:
        keys: Names of pictures, or tuples that begin with one.
        item: Tensors of one row.
        more: What follows the name of a picture that is added.
    """
    found = [key if isinstance(key, tuple) else (key,) for key in keys]
    names = {key[0] for key in found}
    added = [key for key in FOLLOWING if key in item and key not in names] if "image" in names else []
    return [*found, *((key, *more) for key in added)]


def _inside(transform: Any) -> Iterator[Any]:
    """Yield the random transforms that another one holds."""
    for part in vars(transform).values():
        if isinstance(part, Randomizable):
            yield part
            yield from _inside(part)


def _is_usual(transform: RandAffined) -> bool:
    """Return True if it keeps the size of images and the values of labels, by a mode of `grid_sample`."""
    inner, modes = transform.rand_affine, dict(zip(transform.keys, map(str, transform.mode), strict=True))
    known = set(modes.values()) <= MODES and set(map(str, transform.padding_mode)) <= PADDINGS
    elsewhere = inner.resampler.device is not None or inner.spatial_size is not None
    return (
        known
        and {modes.get(key) for key in ("label", *FOLLOWING)} <= {None, "nearest"}
        and not (transform.lazy or elsewhere)
    )


def _about_the_middle(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return an affine about an image's middle, [dims + 1, dims + 1], as one of voxels, [4, 4]."""
    dims = len(shape)
    whole, there, back = np.eye(4), np.eye(4), np.eye(4)
    whole[:dims, :dims], whole[:dims, 3] = affine[:dims, :dims], affine[:dims, dims]
    there[:dims, 3] = [(side - 1) / 2 for side in shape]
    back[:dims, 3] = -there[:dims, 3]
    return np.asarray(there @ whole @ back)
