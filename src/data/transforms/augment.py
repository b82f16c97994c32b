"""Augmentation: MONAI's transforms, which must move all of a case together and leave labels labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta, set_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose

from ganatomy.data.label_values import FEW, distinct
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import move_boxes, remaining_boxes
from ganatomy.errors import UserError

Item = dict[str, Any]
PICTURES = ("image", "target", "label")
MOVERS = ("monai.transforms.spatial.dictionary", "monai.transforms.croppad.dictionary")
"""Where MONAI keeps most of the transforms that move voxels,"""
STRAY = {"RandSmoothDeformd", "Transposed"}
"""those that it keeps elsewhere,"""
STILL = {"RandSimulateLowResolutiond", "BoundingRectd"}
"""and what else is there."""
BENT = {"Rand2DElasticd", "Rand3DElasticd", "GridDistortiond", "RandGridDistortiond", "RandSmoothDeformd"}
UNTOLD = {"Transposed", "GridPatchd", "RandGridPatchd", "GridSplitd"}
"""No affine tells where these and those put a box."""


class Augmentation:
    """Applies transforms by a seed. UserError, one line that names the transform, where one moves the image
    and not what belongs to it, puts a value into the label that was not there, makes items of another size
    than the first, or fails."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.compose = Compose(list(transforms))
        self.shape: tuple[int, ...] | None = None

    def __call__(self, make: Callable[[], Item], seed: int) -> Item:
        """The item of `make`, which gives a new one at each call, transformed."""
        item = make()
        if not self.compose.transforms:
            return item
        depths = {key: len(item[key]) for key in PICTURES if key in item}
        if self.shape is None:
            for transform in leaves(self.compose):
                check_keys(transform, item)
        known = distinct(item["label"].numpy()) if "label" in item else None
        self.compose.set_random_state(seed=seed)
        try:
            done = apply(self.compose, item)
            fault = self._fault(done, known, depths)
        except Exception as error:  # whatever a transform stumbles over
            raise UserError(self._failed(make, seed, error)) from error
        if fault:
            raise UserError(self._named(make, seed, known, depths, fault))
        self.shape = self.shape or tuple(done["image"].shape[1:])
        return done

    def _fault(self, item: Item, known: np.ndarray | None, depths: dict[str, int]) -> str:
        """What is wrong with a transformed item, if anything. depths: the channels that it had."""
        if key := deeper(item, depths):
            return f"makes {len(item[key])} channels of the {depths[key]} of {key}, which the networks expect"
        if known is not None and (strange := newcomer(array(item["label"]), known)) is not None:
            return f"puts {strange:g} into the label, which holds {', '.join(map(str, known[:5]))}"
        shapes = {key: tuple(item[key].shape[1:]) for key in PICTURES if key in item}
        wanted = self.shape or shapes["image"]
        for key, shape in shapes.items():
            if shape != wanted:
                one, other = ("x".join(map(str, sides)) for sides in (wanted, shape))
                return f"makes an {key} of {other} where others are {one}, which no batch can hold"
        return ""

    def _named(
        self,
        make: Callable[[], Item],
        seed: int,
        known: np.ndarray | None,
        depths: dict[str, int],
        fault: str,
    ) -> str:
        """The fault with the transform that is to blame and what helps."""
        for transform, before, after in self._steps(make, seed):
            name = type(transform).__name__
            if deeper(after, depths):
                return f"data.augment: {name} {fault}; take it out"
            if known is not None and newcomer(array(after["label"]), known) is not None:
                keys = [str(key) for key in getattr(transform, "keys", ("image", "label"))]
                modes = ",".join("nearest" if key == "label" else "bilinear" for key in keys)
                cure = f"give it mode=[{modes}], one for each of its keys [{','.join(keys)}]"
                cure = cure if moves(transform) else "take label out of its keys"
                return f"data.augment: {name} {fault}; {cure}"
            if after["image"].shape != before["image"].shape:
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
            except Exception as own:
                name, cause = type(transform).__name__, own
                break
        while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        words = " ".join(str(cause).split())[:200]
        return f"data.augment: {name} fails on these images ({type(cause).__name__}: {words})"

    def _steps(self, make: Callable[[], Item], seed: int) -> Iterator[tuple[Any, Item, Item]]:
        """Each transform of the list, the item before and after it."""
        self.compose.set_random_state(seed=seed)
        item = make()
        with tracked("boxes" in item):
            for transform in self.compose.transforms:
                before, item = item, single(transform(dict(item)))
                yield transform, before, item


def deeper(item: Item, depths: dict[str, int]) -> str:
    """The first picture of an item that has not as many channels as it should; "" where all have."""
    return next((key for key, depth in depths.items() if len(item[key]) != depth), "")


def leaves(transform: Any) -> Iterator[Any]:
    """The transforms that a list, or a choice between some, is made of."""
    inner = getattr(transform, "transforms", None)
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from leaves(part)
    else:
        yield transform


def moves(transform: Any) -> bool:
    """Whether it is one of MONAI's that move voxels."""
    kinds = [kind for part in leaves(transform) for kind in type(part).__mro__]
    named = {kind.__name__ for kind in kinds}
    return bool(named & STRAY) or any(k.__module__ in MOVERS and k.__name__ not in STILL for k in kinds)


def check_keys(transform: Any, item: Item) -> None:
    """UserError where a transform moves some of the pictures of a case and leaves others where they are."""
    name = type(transform).__name__
    keys = [str(key) for key in getattr(transform, "keys", ())]
    own = [key for key in PICTURES if key in item]
    moved = [key for key in own if key in keys]
    if not moved or not moves(transform):
        return
    if left := [key for key in own if key not in moved]:
        raise UserError(
            f"data.augment: {name} moves {' and '.join(moved)} and not {' and '.join(left)}; give it "
            f"keys=[{','.join(own)}]"
        )
    if "boxes" in item and name in BENT | UNTOLD:
        does = "bends" if name in BENT else "moves"
        raise UserError(f"data.augment: {name} {does} the image, and boxes cannot follow; take it out")


def newcomer(label: np.ndarray, known: np.ndarray) -> float | None:
    """A value that is neither among the known ones nor background; None where there is none."""
    if len(known) > FEW:
        familiar = np.isin(label, [0, *known])
    else:
        familiar = label == 0
        for value in known[known != 0]:
            familiar |= label == value
    return None if familiar.all() else float(label[~familiar][0])


def array(value: Any) -> np.ndarray:
    """Of a tensor of any kind."""
    value = value.as_tensor() if isinstance(value, MetaTensor) else value
    return np.asarray(value)


@contextmanager
def tracked(boxed: bool) -> Iterator[None]:
    """MONAI tracks affines, which costs time, only where boxes are to follow."""
    before = get_track_meta()
    set_track_meta(boxed)
    try:
        yield
    finally:
        set_track_meta(before)


def apply(transform: Compose, item: Item) -> Item:
    """The item, transformed; boxes follow the image, whose affine MONAI tracks for them and for nothing
    else."""
    boxed = "boxes" in item and len(transform.transforms) > 0
    with tracked(boxed):
        shape = item["image"].shape[1:]
        if boxed:
            item["image"] = MetaTensor(item["image"], affine=torch.eye(4))
        transformed = single(transform(item))
        if boxed:
            after = Grid(transformed["image"].affine.numpy(), transformed["image"].shape[1:])
            follow(transformed, Grid(np.eye(4), shape), after)
    return transformed


def single(made: Any) -> Item:
    """What a transform made, which must be one item: those that cut patches make a list, be it of one."""
    if isinstance(made, list) and len(made) == 1:
        made = made[0]
    if not isinstance(made, dict):
        raise TypeError(f"it makes {len(made)} items of one; set num_samples=1, or data.patch")
    return made


def follow(item: Item, before: Grid, after: Grid) -> None:
    """Move the boxes to another grid; those that lose more than half of their area to the image's edge
    are left out."""
    moved = move_boxes(item["boxes"].numpy(), before, after)
    cut, kept = remaining_boxes(moved, after.shape)
    item["boxes"], item["classes"] = torch.from_numpy(cut[kept]), item["classes"][torch.from_numpy(kept)]
