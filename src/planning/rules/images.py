"""Size and patch of the images that the network sees, and the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganatomy.planning.draft import Draft
from ganatomy.planning.rules.units import filled, largest_of, on_grid, sides_in_words, spacing_of, voxel_zoom

SIDE, THICK = 128, 4.0
"""Smallest side of a picture, and the thickness of the thinnest class in its pixels that it shall keep."""
WHOLE = 384
"""Largest side of pictures that are trained on whole in segmentation."""
OBLONG, STRETCHED = 1.5, 2.0
"""Aspect ratio above which pictures are not trained on as squares, and the most that ratios may differ where
each picture is stretched to one shape."""
DETECTED = 480 * 640
"""Pixels of the largest pictures that objects are detected in whole."""
TINY, TILE = 4.0, 512
"""Side of boxes that a smaller picture must keep, and that of the patches which are cut where it cannot."""
VOLUME, BLOCK = 200_000, 64**3
"""Voxels of the largest volume that is trained on whole, and of a patch of a larger one."""
STEP = 16
"""Sides are multiples of it, so that four halvings leave no remainder."""


def choose(draft: Draft) -> None:
    """Choose size, patch and batch."""
    if not draft.has("data.root"):
        pass  # virtual images are made in the size that is asked for
    elif draft.task in ("enhancement", "translation"):
        _pairs(draft)
    elif draft.data.dims == 3:
        _volume(draft)
    elif draft.task == "detection":
        _detection(draft)
    else:
        _picture(draft)
    _own_size(draft)
    _batch(draft)


def shape_of(draft: Draft) -> tuple[int, ...]:
    """Return the shape of a training image: the patch, the size, or the median of the files."""
    own = tuple(round(n) for n in on_grid(draft, draft.data.shape))
    given = next((draft.get(key) for key in ("data.patch", "data.size") if draft.get(key) is not None), None)
    return tuple(int(n) for n in filled(given, own))


def zoom_of(draft: Draft) -> float:
    """Return the side of a voxel of the files in voxels of the network, the mean of the axes.

    A patch, or a size that pads or crops, leaves voxels as they are.
    """
    data, size = draft.data, draft.get("data.size")
    resize = draft.get("data.resize") or ("pad" if data.dims == 3 or data.sliced else "letterbox")
    if size is None or resize in ("pad", "crop"):
        return voxel_zoom(draft)
    own = on_grid(draft, data.shape)
    ratios = [new / old for new, old in zip(filled(size, own), own, strict=True)]
    mean = math.prod(ratios) ** (1 / data.dims)
    return voxel_zoom(draft) * {"letterbox": min(ratios), "cover": max(ratios)}.get(resize, mean)


def patch_of(shape: Sequence[float], spacing: Sequence[float], voxels: int, step: int = STEP) -> list[int]:
    """Return a patch of about so many voxels, as cubic in mm as the image allows.

    Args:
        shape: Median shape of the images.
        spacing: Their spacing.
        voxels: Voxels of the patch.
        step: Sides are multiples of it, or of 8 where that is more than the image has.
    """
    fixed: dict[int, int] = {}
    while True:
        free = [axis for axis in range(len(shape)) if axis not in fixed]
        left = voxels / math.prod(fixed.values())
        unit = (left * math.prod(spacing[a] for a in free)) ** (1 / max(len(free), 1))
        wanted = {axis: unit / spacing[axis] for axis in free}
        small = {axis: up(shape[axis], 8) for axis in free if wanted[axis] >= shape[axis]}
        if not small:
            return [
                fixed[a] if a in fixed else max(step, round(wanted[a] / step) * step)
                for a in range(len(shape))
            ]
        fixed |= small


def up(value: float, step: int) -> int:
    """Round up to a multiple."""
    return max(step, math.ceil(value / step) * step)


def _cut(shape: Sequence[float], side: int, step: int = 8) -> list[int]:
    """Return a patch of this side, no larger than the image needs."""
    return [min(side, up(n, step)) for n in shape]


def _plain(sides: list[int]) -> int | list[int]:
    return sides[0] if len(set(sides)) == 1 else sides


def _picture(draft: Draft) -> None:
    data = draft.data
    shape = on_grid(draft, data.shape)
    thin = min(data.thickness.values(), default=max(data.shape)) * voxel_zoom(draft)
    oblong = max(shape) > OBLONG * min(shape)
    side = math.sqrt(math.prod(shape)) if oblong else max(shape)
    scale = min(1.0, max(SIDE / side, THICK / thin))
    sides = [up(n * scale, STEP) for n in (shape if oblong else [side] * len(shape))]
    detail = f"the thinnest class is {thin:.3g} pixels thick in files of {sides_in_words(shape)}"
    if math.prod(sides) <= WHOLE**2:
        keeps = f"{detail} and keeps {thin * scale:.2g}"
        draft.put("data.size", sides if oblong else sides[0], keeps)
        draft.put("data.patch", None, "whole images fit")
        _resize(draft, shape)
        return
    draft.put("data.size", None, f"{detail}: nothing is made smaller")
    draft.put("data.patch", _cut(shape, 192, STEP), "images are too large to train on whole")


def _resize(draft: Draft, shape: Sequence[float]) -> None:
    """Choose how images become the size: slices of volumes would be cut to it, pictures get a border."""
    data = draft.data
    differ = f"aspect ratios differ {data.aspects:.2g} times"
    if data.aspects > STRETCHED:
        draft.put("data.resize", "letterbox", f"{differ}: stretching would change what shapes are")
    elif data.aspects > 1.1:
        draft.put("data.resize", "stretch", f"{differ}: no border is wasted")
    elif data.sliced and any(n > side for n, side in zip(largest_of(draft), shape_of(draft), strict=True)):
        draft.put("data.resize", "letterbox", "slices are made smaller; padding would cut to their middle")


def _detection(draft: Draft) -> None:
    data = draft.data
    shape = on_grid(draft, data.shape)
    smallest = data.smallest * voxel_zoom(draft)
    scale = min(1.0, math.sqrt(DETECTED / math.prod(shape)))
    if smallest * scale < TINY and scale < 1 and 2 * data.greatest * voxel_zoom(draft) < TILE:
        why = f"boxes of the smallest class measure {smallest:.3g} pixels, too few to make images smaller"
        draft.put("data.size", None, why)
        draft.put("data.patch", _cut(shape, TILE, STEP), "images are too large to train on whole")
        return
    size = [up(n * scale, STEP) if scale < 1 else round(n) for n in shape]
    why = "as in the files: boxes are no tighter than their pixels"
    if scale < 1:
        why = f"the files' {sides_in_words(shape)}, made smaller to what minutes of training allow"
    draft.put("data.size", _plain(size), f"{why} (smallest class {smallest * scale:.3g} pixels)")
    if data.sliced:
        _resize(draft, shape)


def _volume(draft: Draft) -> None:
    data = draft.data
    shape, size = on_grid(draft, data.shape), draft.get("data.size")
    if draft.is_given("data.size"):
        shape = filled(size, shape)
    whole = [up(n, 8) for n in (shape if draft.is_given("data.size") else largest_of(draft))]
    sides = [round(n) for n in filled(size, (0.0,) * 3)]
    cuts = any(own < n for own, n in zip(sides, largest_of(draft), strict=True))
    if draft.get("data.patch") is None and not cuts and math.prod(sides) <= VOLUME:
        draft.put("data.size", sides, "as the data set's file says: it cuts nothing off")
        return
    if math.prod(whole) <= VOLUME:
        draft.put("data.size", whole, "95th percentile of the shapes: whole volumes are small enough")
        draft.put("data.patch", None, "whole volumes are trained on")
        return
    patch = patch_of(shape, spacing_of(draft), BLOCK)
    draft.put("data.size", None, "volumes keep their own size")
    draft.put(
        "data.patch", patch, f"of volumes of about {sides_in_words(shape)}; as cubic in mm as they allow"
    )


def _own_size(draft: Draft) -> None:
    """Cut patches where the user keeps the images' own size, which may differ from image to image."""
    sizes = draft.get("data.size"), draft.get("data.patch")
    if not draft.is_given("data.size") or sizes != (None, None):
        return
    whole = [up(n, STEP if draft.data.dims == 2 else 8) for n in largest_of(draft)]
    most = WHOLE**2 if draft.data.dims == 2 else VOLUME
    patch = whole if math.prod(whole) <= most else patch_of(whole, spacing_of(draft), most)
    draft.put("data.patch", _plain(patch), "images keep their own size, as was typed")


def _pairs(draft: Draft) -> None:
    data = draft.data
    shape = on_grid(draft, data.shape)
    side = 64 if data.dims == 2 else 48
    if max(shape) <= 1.5 * side or not draft.has("data.size"):
        return
    if draft.task == "translation" and math.prod(shape) <= VOLUME // 4:
        return
    draft.put("data.size", None, "each image keeps its own size, nothing is interpolated")
    why = "small patches give many of them a second; evaluation slides a window"
    draft.put("data.patch", _plain(_cut(shape, side)), why)


def _batch(draft: Draft) -> None:
    pixels = math.prod(shape_of(draft))
    if draft.data.dims == 3:
        batch, low, high = 600_000 // pixels, 2, 4
    elif draft.task in ("enhancement", "translation"):
        batch, low, high = 160_000 // pixels, 4, 16
    else:
        batch, low, high = 262_144 // pixels, 4, 8 if draft.task == "segmentation" else 16
    rows = 2 ** int(math.log2(max(low, min(high, batch))))
    own = draft.get("data.batch_size")
    why = f"images of {sides_in_words(shape_of(draft))}: small batches make many steps of a given time"
    draft.put(
        "data.batch_size", rows, why if rows != own else f"suits images of {sides_in_words(shape_of(draft))}"
    )
