"""Spacing, intensity, size and patch of the images that the network sees, and the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganatomy.planning.draft import Draft

ANISOTROPIC = 3.0
"""Ratio of spacings above which the coarse axis keeps a finer spacing (nnU-Net, Isensee et al. 2021)."""
UNEVEN = 1.05
"""Ratio of the spacings of two cases above which all are resampled to one."""
SIDE, THICK = 128, 4.0
"""Smallest side of a picture, and the thickness of the thinnest class in its pixels that it shall keep."""
WHOLE = 384
"""Largest side of pictures that are trained on whole in segmentation."""
DETECTED = 480 * 640
"""Pixels of the largest pictures that objects are detected in whole."""
VOLUME, BLOCK = 200_000, 64**3
"""Voxels of the largest volume that is trained on whole, and of a patch of a larger one."""
STEP = 16
"""Sides are multiples of it, so that four halvings leave no remainder."""


def choose(draft: Draft) -> None:
    """Choose spacing, intensity, size, patch and batch."""
    _spacing(draft)
    _intensity(draft)
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
    _batch(draft)


def shape_of(draft: Draft) -> tuple[int, ...]:
    """Return the shape of a training image: the patch, the size, or the median of the files."""
    for key in ("data.patch", "data.size"):
        value = draft.get(key)
        if value is not None:
            return (value,) * draft.data.dims if isinstance(value, int) else tuple(value)
    return tuple(round(n) for n in _on_grid(draft, draft.data.shape))


def spacing_of(draft: Draft) -> tuple[float, ...]:
    """Return the spacing of a training image, in the units of the files."""
    given = draft.get("data.spacing") or [None] * draft.data.dims
    pairs = zip(given, draft.data.spacing, strict=False)
    return tuple(float(own if wanted is None else wanted) for wanted, own in pairs)


def target_spacing(spacing: Sequence[float], finest: Sequence[float]) -> list[float]:
    """Return the median spacing; on an anisotropic axis the 10th percentile, no finer than the other axes.

    Args:
        spacing: Median spacing by axis.
        finest: 10th percentile by axis.
    """
    coarse = max(range(len(spacing)), key=lambda axis: spacing[axis])
    others = [value for axis, value in enumerate(spacing) if axis != coarse]
    chosen = list(spacing)
    if spacing[coarse] / min(others) > ANISOTROPIC:
        chosen[coarse] = max(finest[coarse], *others)
    return [float(f"{value:.4g}") for value in chosen]


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


def _on_grid(draft: Draft, shape: Sequence[float]) -> tuple[float, ...]:
    """Return a shape of the files on the planned spacing."""
    target = spacing_of(draft)
    return tuple(n * own / new for n, own, new in zip(shape, draft.data.spacing, target, strict=True))


def _spacing(draft: Draft) -> None:
    data = draft.data
    if data.modality == "picture" and data.dims == 2 and not data.sliced:
        return
    if data.uneven <= UNEVEN:
        if draft.get("data.spacing") is None:
            draft.put("data.spacing", None, f"all files have {_mm(data.spacing)}")
        return
    wanted = target_spacing(data.spacing, data.finest)
    why = f"median of the files, whose spacings differ {data.uneven:.2g} times"
    if wanted != [float(f"{value:.4g}") for value in data.spacing]:
        why += f"; 10th percentile on the coarse axis, as spacings are {data.anisotropy:.1f} to 1"
    draft.put("data.spacing", wanted, why)


def _intensity(draft: Draft) -> None:
    data, now = draft.data, draft.get("data.intensity")
    if now not in ("zscore", "auto", "percentile"):
        return  # a window that the data set's own file knows
    if data.modality == "ct":
        window = [round(value) for value in data.window]
        draft.put("data.intensity", window, "CT in HU: 0.5th to 99.5th percentile of the labelled voxels")
    elif data.modality == "picture" and draft.task in ("enhancement", "translation"):
        draft.put("data.intensity", [0, 255], "8-bit images: their range, which scores refer to as well")
    elif now != "auto":
        draft.put("data.intensity", "zscore", "values have no unit, so each image is normalised by its own")


def _picture(draft: Draft) -> None:
    data = draft.data
    long = max(data.shape)
    thin = min(data.thickness.values(), default=long)
    wanted = min(long, max(SIDE, long * min(1.0, THICK / thin)))
    side = up(wanted, STEP)
    detail = f"the thinnest class is {thin:.3g} pixels thick in files of {_by(data.shape)}"
    if side <= WHOLE:
        draft.put("data.size", side, f"{detail} and keeps {thin * side / long:.2g}")
        draft.put("data.patch", None, "whole images fit")
        if data.aspects > 1.1:
            draft.put(
                "data.resize",
                "stretch",
                f"aspect ratios differ {data.aspects:.2g} times: no border is wasted",
            )
        return
    draft.put("data.size", None, f"{detail}: nothing is made smaller")
    draft.put("data.patch", [192, 192], "images are too large to train on whole")


def _detection(draft: Draft) -> None:
    data = draft.data
    scale = min(1.0, math.sqrt(DETECTED / math.prod(data.shape)))
    size = [up(n * scale, STEP) if scale < 1 else round(n) for n in data.shape]
    why = "as in the files: boxes are no tighter than their pixels"
    if scale < 1:
        why = f"the files' {_by(data.shape)}, made smaller to what minutes of training allow"
    wanted = size[0] if len(set(size)) == 1 else size
    draft.put("data.size", wanted, f"{why} (smallest class {data.smallest * scale:.3g} pixels)")


def _volume(draft: Draft) -> None:
    data = draft.data
    whole = [up(n, 8) for n in _on_grid(draft, data.largest)]
    size = draft.get("data.size")
    sides = [size] * 3 if isinstance(size, int) else size
    cuts = sides is None or any(own < n for own, n in zip(sides, data.largest, strict=True))
    if draft.get("data.patch") is None and not cuts and math.prod(sides) <= VOLUME:
        draft.put("data.size", list(sides), "as the data set's file says: it cuts nothing off")
        return
    if math.prod(whole) <= VOLUME:
        draft.put("data.size", whole, "95th percentile of the shapes: whole volumes are small enough")
        draft.put("data.patch", None, "whole volumes are trained on")
        return
    shape = _on_grid(draft, data.shape)
    patch = patch_of(shape, spacing_of(draft), BLOCK)
    draft.put("data.size", None, "volumes keep their own size")
    draft.put("data.patch", patch, f"of volumes of about {_by(shape)}; as cubic in mm as they allow")


def _pairs(draft: Draft) -> None:
    data = draft.data
    shape = _on_grid(draft, data.shape)
    side = 64 if data.dims == 2 else 48
    if max(shape) <= 1.5 * side or not draft.has("data.size"):
        return
    if draft.task == "translation" and math.prod(shape) <= VOLUME // 4:
        return
    draft.put("data.size", None, "each image keeps its own size, nothing is interpolated")
    draft.put("data.patch", side, "small patches give many of them a second; evaluation slides a window")


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
    why = f"images of {_by(shape_of(draft))}: small batches make many steps of a given time"
    draft.put("data.batch_size", rows, why if rows != own else f"suits images of {_by(shape_of(draft))}")


def _by(shape: Sequence[float]) -> str:
    return "x".join(str(round(n)) for n in shape)


def _mm(spacing: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in spacing)
