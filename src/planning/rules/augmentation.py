"""Augmentation of training, and the mirrored and zoomed images that evaluation averages over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ganatomy.planning.draft import Draft
from ganatomy.planning.rules.images import shape_of
from ganatomy.planning.rules.units import ANISOTROPIC, spacing_of

SIDES = {"left", "right", "lh", "rh", "l", "r", "links", "rechts", "gauche", "droit", "droite", "izquierdo"}
SIDES |= {"izquierda", "derecho", "derecha"}
"""Words in names of classes that tell the sides of the body apart."""
PAIRS = (("lv", "rv"), ("la", "ra"), ("lca", "rca"), ("od", "os"))
"""Abbreviations that tell them apart if both are there: heart chambers, coronary arteries, eyes."""
WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+|\d+")
"""Words of kidney_left, kidneyLeft, LKidney; the vertebra L1 is one word."""
MONAI = "monai.transforms"
ZOOMS = [0.85, 1.15]
"""Sizes at which images are seen too: mAP75 of blood cells on validation 0.660 for 0.618, docs/results.md."""


def choose(draft: Draft) -> None:
    """Choose flips where anatomy allows them, turns, zooms and intensity, and mirrors in evaluation."""
    axes, why = flips(draft)
    keys = _keys(draft)
    if not keys:
        return
    own = draft.get("data.augment") or []
    if draft.task in ("enhancement", "translation"):
        chosen = [_flip(keys, axis) for axis in axes]
        if chosen and chosen != own and all("Flip" in str(each) for each in own):
            draft.put("data.augment", chosen, why)
    elif not any("Affine" in str(each) or "Rotat" in str(each) for each in own):
        chosen = [*(_flip(keys, axis) for axis in axes), *_moved(draft, keys), *_others(own)]
        draft.put("data.augment", chosen, f"{why}; {_how(draft)}")
    if draft.task == "enhancement" and draft.data.dims == 3:
        axes = axes[-2:]  # 4 passes, not 8
    if draft.has("task.mirror_axes"):
        draft.put("task.mirror_axes", axes, "evaluation averages over these flips" if axes else why)
    if draft.has("task.zooms") and draft.data.dims == 2 and not draft.get("task.instances"):
        draft.put(
            "task.zooms", ZOOMS, "boxes of these sizes of an image are fused too: they fit more tightly"
        )


def flips(draft: Draft) -> tuple[list[int], str]:
    """Return the axes that may be flipped, and the reason."""
    data = draft.data
    if draft.task == "enhancement":
        return list(range(data.dims)), "all flips: noise, blur and edges have no direction"
    names = [*data.classes, *data.box_classes, *data.image_classes]
    if sided := _sided(names):
        return [], f"no flips, as the class {sided} tells sides apart"
    if data.dims == 2 and not data.sliced and data.coloured and data.modality == "picture":
        return [0, 1], "colour pictures (microscopy) have neither up nor left"
    if data.dims == 2 and not data.sliced:
        return [1], "flips from left to right alone, which a body nearly survives"
    return _sideways(draft.get("data.orientation", "PLS"), data.dims)


def _sided(names: Sequence[str]) -> str:
    """Return a name that tells the sides of the body apart; empty if none does."""
    words = {name: {word.lower() for word in WORD.findall(name)} for name in names}
    every = set[str]().union(*words.values())
    telling = SIDES | {word for pair in PAIRS if every.issuperset(pair) for word in pair}
    return next((name for name in names if words[name] & telling), "")


def _sideways(orientation: str | None, dims: int) -> tuple[list[int], str]:
    """Return the axis of volumes or their slices that runs from left to right, and the reason."""
    if orientation is None:
        return [], "no flips: data.orientation=null leaves open which axis runs from left to right"
    axis = next(n for n, way in enumerate(orientation.upper()) if way in "LR")
    if axis >= dims:
        return [], f"no flips: slices of {orientation} do not show left and right"
    return [axis], f"flips from left to right alone ({orientation}), which a body nearly survives"


def _keys(draft: Draft) -> list[str]:
    """Return the arrays that move together."""
    data = draft.data
    if draft.get("data.unpaired"):
        return []
    if draft.task == "segmentation":
        return ["image", "label"]
    if draft.task == "detection":
        return ["image"]  # boxes follow by themselves
    return ["image", "target"] if "target" in data.has else ["image"]


def _how(draft: Draft) -> str:
    flat = draft.data.dims == 3 and turned_about(shape_of(draft), spacing_of(draft)) is not None
    within = "within slices, as voxels or volumes are flat" if flat else "as scans differ in them"
    return f"turns, zooms and intensity {within}"


def _flip(keys: list[str], axis: int) -> dict[str, Any]:
    return {"_target_": f"{MONAI}.RandFlipd", "keys": keys, "prob": 0.5, "spatial_axis": axis}


def _others(own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a data set's own augmentation has beside flips and changes of contrast."""
    named = ("Flip", "Contrast", "ScaleIntensity")
    return [each for each in own if not any(word in str(each) for word in named)]


def turned_about(shape: Sequence[int], spacing: Sequence[float]) -> int | None:
    """Return the axis that flat or anisotropic volumes are turned about alone; None where all axes turn.

    Turning out of the plane of thick slices would interpolate between them, and shear what is in them:
    nnU-Net augments a patch within its slices where its longest side is more than 3 times that across them.

    Args:
        shape: Shape of a training image.
        spacing: Its spacing.
    """
    coarse = max(range(len(spacing)), key=lambda axis: spacing[axis])
    if spacing[coarse] > ANISOTROPIC * min(spacing):
        return coarse
    flat = min(range(len(shape)), key=lambda axis: shape[axis])
    return flat if max(shape) > ANISOTROPIC * shape[flat] else None


def _moved(draft: Draft, keys: list[str]) -> list[dict[str, Any]]:
    dims, shape = draft.data.dims, shape_of(draft)
    about = turned_about(shape, spacing_of(draft)) if dims == 3 else None
    free = [axis for axis in range(dims) if about is None or axis != about]
    modes = ["bilinear", *["nearest"] * (len(keys) - 1)]
    affine = {
        "_target_": f"{MONAI}.RandAffined",
        "keys": keys,
        "prob": 0.5 if dims == 3 else 0.7,
        "rotate_range": [0.2 if about in (None, axis) else 0.0 for axis in range(3)] if dims == 3 else 0.3,
        "scale_range": [0.15 if axis in free else 0.0 for axis in range(dims)],
        "translate_range": [max(1, round(0.05 * n)) if axis in free else 0 for axis, n in enumerate(shape)],
        "mode": modes if len(modes) > 1 else modes[0],
        "padding_mode": "border",
    }
    scale = {"_target_": f"{MONAI}.RandScaleIntensityd", "keys": ["image"], "prob": 0.3, "factors": 0.2}
    gamma = {
        "_target_": f"{MONAI}.RandAdjustContrastd",
        "keys": ["image"],
        "prob": 0.3,
        "gamma": [0.7, 1.5],
        "retain_stats": True,
    }
    return [affine, scale] if draft.task == "detection" else [affine, gamma, scale]
