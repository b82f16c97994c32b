"""Augmentation by MONAI transforms, checked: they must move all pictures of a case and keep label values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta, set_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose

from ganatomy.data.label_values import distinct, new_value
from ganatomy.data.records import PICTURES, picture
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import follow
from ganatomy.data.transforms.direct import FOLLOWING, direct
from ganatomy.errors import UserError

Item = dict[str, Any]
SPATIAL_MODULES = ("monai.transforms.spatial.dictionary", "monai.transforms.croppad.dictionary")
"""MONAI's modules of transforms that move voxels."""
SPATIAL_ELSEWHERE = {"RandSmoothDeformd", "Transposed"}
"""Transforms of other modules that move voxels."""
NOT_SPATIAL = {"RandSimulateLowResolutiond", "BoundingRectd"}
"""Transforms of these modules that do not."""
BENDING = {"Rand2DElasticd", "Rand3DElasticd", "GridDistortiond", "RandGridDistortiond", "RandSmoothDeformd"}
"""Transforms that no affine describes, so boxes cannot follow."""
WITHOUT_AFFINE = {"Transposed", "GridPatchd", "RandGridPatchd", "GridSplitd"}
"""Transforms whose affine MONAI does not update, so boxes cannot follow."""


class Augmentation:
    """Applies MONAI dictionary transforms by a seed.

    Raises a UserError that names the transform if one moves the image but not its label or target, puts new
    values into the label, makes items of different sizes, or fails.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.compose, self.direct = Compose(list(transforms)), direct(transforms)
        self.shape: tuple[int, ...] | None = None

    def __call__(self, make: Callable[[], Item], seed: int) -> Item:
        """Return a transformed item.

        Args:
            make: returns a new item at each call.
            seed: seed of the transforms.

        Raises:
            UserError: a transform is not suitable, see the class.
        """
        item = make()
        if not self.compose.transforms:
            return item
        depths = {key: len(item[key]) for key in PICTURES if key in item}
        if self.shape is None:
            for transform in leaves(self.compose):
                check_keys(transform, item, set(FOLLOWING) if self.direct else set())
        # the direct transforms keep the values of labels
        values = distinct(item["label"].numpy()) if "label" in item and not self.direct else None
        try:
            done = self._transformed(item, seed)
            fault = self._fault(done, values, depths)
        except Exception as error:  # a transform may raise anything
            raise UserError(self._failed(make, seed, error)) from error
        if fault:
            raise UserError(self._named(make, seed, values, depths, fault))
        self.shape = self.shape or tuple(picture(done).shape[1:])
        return done

    def _transformed(self, item: Item, seed: int) -> Item:
        if not self.direct:
            self.compose.set_random_state(seed=seed)
            return apply(self.compose, numeric(item))
        shape = picture(item).shape[1:]
        with tracked(False):
            affine = self.direct(item, seed)
        if affine is not None and "boxes" in item:
            follow(item, Grid(np.eye(4), shape), Grid(affine, shape))
        return item

    def _fault(self, item: Item, values: np.ndarray | None, depths: dict[str, int]) -> str:
        """Return the fault of a transformed item; empty if there is none.

        Args:
            item: the item.
            values: values of its label before; None skips this check.
            depths: number of channels of its pictures before.
        """
        if key := other_depth(item, depths):
            return f"makes {len(item[key])} channels of the {depths[key]} of {key}, which the networks expect"
        if values is not None and (new := new_value(array(item["label"]), values)) is not None:
            return f"puts {new:g} into the label, which holds {', '.join(map(str, values[:5]))}"
        shapes = {key: tuple(item[key].shape[1:]) for key in PICTURES if key in item}
        wanted = self.shape or tuple(picture(item).shape[1:])
        for key, shape in shapes.items():
            if shape != wanted:
                one, other = ("x".join(map(str, sides)) for sides in (wanted, shape))
                article = "an" if key == "image" else "a"
                return f"makes {article} {key} of {other} where others are {one}; a batch needs one size"
        return ""

    def _named(
        self,
        make: Callable[[], Item],
        seed: int,
        values: np.ndarray | None,
        depths: dict[str, int],
        fault: str,
    ) -> str:
        """Return the message for a fault: the transform that causes it, and the remedy."""
        for transform, before, after in self._steps(make, seed):
            name = type(transform).__name__
            if other_depth(after, depths):
                return f"data.augment: {name} {fault}; take it out"
            if values is not None and new_value(array(after["label"]), values) is not None:
                keys = [str(key) for key in getattr(transform, "keys", ("image", "label"))]
                modes = ",".join("nearest" if key in ("label", *FOLLOWING) else "bilinear" for key in keys)
                remedy = f"give it mode=[{modes}], one for each of its keys [{','.join(keys)}]"
                remedy = remedy if moves(transform) else "take label out of its keys"
                return f"data.augment: {name} {fault}; {remedy}"
            if picture(after).shape != picture(before).shape:
                return f"data.augment: {name} {fault}; have it keep the size (data.size), or take it out"
        names = [type(transform).__name__ for transform in leaves(self.compose) if moves(transform)]
        return f"data.augment: one of {', '.join(names)} {fault}; have it keep the size (data.size)"

    def _failed(self, make: Callable[[], Item], seed: int, error: Exception) -> str:
        name, cause = "the transforms", error
        steps = self._steps(make, seed)
        for transform in self.compose.transforms:
            try:
                _, _, after = next(steps)
                self._fault(after, None, {})
            except Exception as raised:
                name, cause = type(transform).__name__, raised
                break
        while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        words = " ".join(str(cause).split())[:200]
        return f"data.augment: {name} fails on these images ({type(cause).__name__}: {words})"

    def _steps(self, make: Callable[[], Item], seed: int) -> Iterator[tuple[Any, Item, Item]]:
        """Yield each transform of the list with the item before and after it."""
        self.compose.set_random_state(seed=seed)
        item = numeric(make())
        with tracked("boxes" in item):
            for transform in self.compose.transforms:
                before, item = item, single(transform(dict(item)))
                yield transform, before, item


def numeric(item: Item) -> Item:
    """Return an item whose mask is float, as transforms need that interpolate."""
    return item | {"mask": item["mask"].float()} if "mask" in item else item


def other_depth(item: Item, depths: dict[str, int]) -> str:
    """Return the first picture of an item with a changed number of channels; empty if there is none."""
    return next((key for key, depth in depths.items() if len(item[key]) != depth), "")


def leaves(transform: Any) -> Iterator[Any]:
    """Yield the single transforms in a list or choice of transforms."""
    inner = getattr(transform, "transforms", None)
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from leaves(part)
    else:
        yield transform


def moves(transform: Any) -> bool:
    """Return True if it is, or contains, a MONAI transform that moves voxels."""
    types = [base for part in leaves(transform) for base in type(part).__mro__]
    if {base.__name__ for base in types} & SPATIAL_ELSEWHERE:
        return True
    return any(base.__module__ in SPATIAL_MODULES and base.__name__ not in NOT_SPATIAL for base in types)


def check_keys(transform: Any, item: Item, following: set[str]) -> None:
    """Check that a transform moves all pictures of a case, or none.

    Args:
        transform: the transform.
        item: tensors of one row.
        following: pictures that move with the image even if they are not named.

    Raises UserError if it does not, or boxes cannot follow.
    """
    name = type(transform).__name__
    keys = [str(key) for key in getattr(transform, "keys", ())]
    pictures = [key for key in PICTURES if key in item and (key not in following or key in keys)]
    moved = [key for key in pictures if key in keys]
    if not moved or not moves(transform):
        return
    if left := [key for key in pictures if key not in moved]:
        raise UserError(
            f"data.augment: {name} moves {' and '.join(moved)} and not {' and '.join(left)}; give it "
            f"keys=[{','.join(pictures)}]"
        )
    if "boxes" in item and name in BENDING | WITHOUT_AFFINE:
        does = "bends" if name in BENDING else "moves"
        raise UserError(f"data.augment: {name} {does} the image, and boxes cannot follow; take it out")


def array(value: Any) -> np.ndarray:
    """Return a tensor, or MetaTensor, as an array."""
    value = value.as_tensor() if isinstance(value, MetaTensor) else value
    return np.asarray(value)


@contextmanager
def tracked(boxed: bool) -> Iterator[None]:
    """Have MONAI track affines only for items with boxes, as it costs time."""
    before = get_track_meta()
    set_track_meta(boxed)
    try:
        yield
    finally:
        set_track_meta(before)


def apply(transform: Compose, item: Item) -> Item:
    """Return the transformed item; boxes follow the affine that MONAI tracks for the image."""
    boxed = "boxes" in item and len(transform.transforms) > 0
    with tracked(boxed):
        shape = picture(item).shape[1:]
        if boxed:
            item["image"] = MetaTensor(item["image"], affine=torch.eye(4))
        transformed = single(transform(item))
        if boxed:
            after = Grid(transformed["image"].affine.numpy(), transformed["image"].shape[1:])
            follow(transformed, Grid(np.eye(4), shape), after)
    return transformed


def single(made: Any) -> Item:
    """Return the result of a transform as one item; transforms that cut patches return a list.

    Raises TypeError for several items.
    """
    if isinstance(made, list) and len(made) == 1:
        made = made[0]
    if not isinstance(made, dict):
        raise TypeError(f"it makes {len(made)} items of one; set num_samples=1, or data.patch")
    return made
