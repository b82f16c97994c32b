"""Spacing and intensity: the units of what the network sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganatomy.planning.draft import Draft

ANISOTROPIC = 3.0
"""Ratio of spacings above which the coarse axis keeps a finer spacing (nnU-Net, Isensee et al. 2021)."""
UNEVEN = 1.05
"""Ratio of the spacings of two cases above which all are resampled to one."""


def choose(draft: Draft) -> None:
    """Choose spacing and intensity."""
    _spacing(draft)
    _intensity(draft)


def spacing_of(draft: Draft) -> tuple[float, ...]:
    """Return the spacing of a training image, in the units of the files."""
    return filled(draft.get("data.spacing"), draft.data.spacing)


def filled(given: float | Sequence[float | None] | None, own: Sequence[float]) -> tuple[float, ...]:
    """Return a number for each axis: that which is given, of one for all or one for each, or its own.

    Example:
        >>> filled(64, (9, 9)), filled([64, None], (9, 9)), filled([64], (9, 9)), filled(None, (9, 9))
        ((64, 64), (64, 9), (64, 9), (9, 9))
    """
    each = [given] * len(own) if given is None or isinstance(given, int | float) else list(given)
    each += [None] * (len(own) - len(each))
    return tuple(mine if wanted is None else wanted for wanted, mine in zip(each, own, strict=False))


def on_grid(draft: Draft, shape: Sequence[float]) -> tuple[float, ...]:
    """Return a shape of the files on the planned spacing."""
    target = spacing_of(draft)
    return tuple(n * own / new for n, own, new in zip(shape, draft.data.spacing, target, strict=True))


def largest_of(draft: Draft) -> tuple[float, ...]:
    """Return the 95th percentile of the shapes on the planned spacing."""
    return on_grid(draft, draft.data.largest)


def voxel_zoom(draft: Draft) -> float:
    """Return the side of a voxel of the files in voxels of the planned spacing, the mean of the axes."""
    ratios = [own / new for own, new in zip(draft.data.spacing, spacing_of(draft), strict=True)]
    return math.prod(ratios) ** (1 / len(ratios))


def sides_in_words(shape: Sequence[float]) -> str:
    """Return a shape as 64x64."""
    return "x".join(str(round(n)) for n in shape)


def target_spacing(spacing: Sequence[float], finest: Sequence[float], shape: Sequence[float]) -> list[float]:
    """Return the median spacing; on an anisotropic axis the 10th percentile, no finer than the other axes.

    An axis is anisotropic if its spacing is more than `ANISOTROPIC` times that of each other one, and if each
    other one has more than `ANISOTROPIC` times its voxels (nnU-Net's planner, Isensee et al. 2021).

    Args:
        spacing: Median spacing by axis.
        finest: 10th percentile by axis.
        shape: Median shape.
    """
    coarse = max(range(len(spacing)), key=lambda axis: spacing[axis])
    others = [axis for axis in range(len(spacing)) if axis != coarse]
    widest = max(spacing[axis] for axis in others)
    chosen = list(spacing)
    few = shape[coarse] * ANISOTROPIC < min(shape[axis] for axis in others)
    if few and spacing[coarse] > ANISOTROPIC * widest:
        chosen[coarse] = max(finest[coarse], widest)
    return [float(f"{value:.4g}") for value in chosen]


def _spacing(draft: Draft) -> None:
    data = draft.data
    flat = data.dims == 2 and not data.sliced
    if flat and (data.modality == "picture" or data.uneven <= UNEVEN):
        return
    if data.uneven <= UNEVEN:
        if draft.get("data.spacing") is None:
            draft.put("data.spacing", None, f"all files have {_mm(data.spacing)}")
        return
    wanted = target_spacing(data.spacing, data.finest, data.shape)
    why = f"median of the files, whose spacings differ {data.uneven:.2g} times"
    if wanted != [float(f"{value:.4g}") for value in data.spacing]:
        why += f"; 10th percentile on the coarse axis, as spacings are {data.anisotropy:.1f} to 1"
    draft.put("data.spacing", wanted, why)


def _intensity(draft: Draft) -> None:
    data, now = draft.data, draft.get("data.intensity")
    if data.target_modality == "ct" and data.modality != "ct" and draft.get("data.target_intensity") is None:
        window = [round(value) for value in data.target_window]
        why = "targets are a CT in HU and images are not: 0.5th to 99.5th percentile of the targets"
        draft.put("data.target_intensity", window, why)
    if now not in ("zscore", "auto", "percentile"):
        return  # a window that the data set's own file knows
    window = [round(value) for value in data.window]
    places = {"labels": "the labelled voxels", "boxes": "the voxels in boxes"}
    place = places.get(data.window_of, "all voxels")
    why = f"CT in HU: 0.5th to 99.5th percentile of {place}"
    if data.mixed and window[0] < window[1]:
        each = [window if kind == "ct" else "zscore" for kind in data.mixed]
        draft.put("data.intensity", each, f"{why}; other channels have no unit")
    elif data.modality == "ct" and window[0] < window[1]:
        draft.put("data.intensity", window, why)
    elif data.modality == "picture" and draft.task in ("enhancement", "translation"):
        draft.put("data.intensity", [0, 255], "8-bit images: their range, which scores refer to as well")
    elif now != "auto":
        draft.put("data.intensity", "zscore", "values have no unit, so each image is normalised by its own")


def _mm(spacing: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in spacing)
