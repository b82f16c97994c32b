"""Levels, strides and width of the networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganatomy.planning.draft import Draft
from ganatomy.planning.rules.images import shape_of, zoom_of
from ganatomy.planning.rules.units import spacing_of

MONAI_UNET = "monai.networks.nets.UNet"
CENTERNET = "ganatomy.networks.image_to_image.centernet.CenterNet"
DYNUNET = "monai.networks.nets.DynUNet"
EDGE, DEEPEST = 8, 5
"""Fewest voxels of a side at the bottom of a U-Net, and its most halvings."""
FIRST, WIDEST = 16, 256
LAST = 3
"""Fewest voxels that the last two convolutions of a PatchDiscriminator take, of 4 with a border of 1."""
COARSE = 2.0
"""An axis is halved only while its spacing is less than this many times that of the finest axis."""
SMALL, MEDIUM = {2: 8.0, 3: 4.0}, 24.0
"""Sides of boxes below which a cell of the maps has 1 pixel (by axes: dear in volumes), and 2; else 4."""

LIGHT = 0.002
"""Weight of the adversary of a segmentation (docs/results.md, experiments/defaults)."""


def choose(draft: Draft) -> None:
    """Choose the generator's levels and the discriminator's width; other classes are left alone."""
    target = draft.get("model.generator._target_")
    if draft.choice("model/generator"):  # chosen for a larger image
        draft.choose("model/generator", "unet", "as the default")
        target = draft.get("model.generator._target_")
    if target == MONAI_UNET:
        _unet(draft)
    elif target == CENTERNET:
        _centernet(draft)
    if draft.get("model.discriminator._target_") == "monai.networks.nets.PatchDiscriminator":
        why = "half of the default: the adversary is the smaller part of a step"
        draft.put("model.discriminator.channels", FIRST, why)
        _patch_discriminator(draft)
        if draft.task == "segmentation" and not draft.own_model:
            why = "a fifth of the default: validation was better with it in 4 of 4 runs of ten minutes"
            draft.put("model.adversarial.weight", LIGHT, why)


def strides(shape: Sequence[int], spacing: Sequence[float]) -> list[list[int]]:
    """Return the strides of a U-Net by level and axis.

    An axis is halved while `EDGE` voxels are left and its voxels are not much coarser than the finest ones
    (Isensee et al. 2021, nnU-Net).

    Args:
        shape: Shape of a training image.
        spacing: Its spacing.
    """
    sides, widths = list(shape), list(spacing)
    found: list[list[int]] = []
    while len(found) < DEEPEST:
        free = [side % 2 == 0 and side // 2 >= EDGE for side in sides]
        finest = min((width for width, can in zip(widths, free, strict=True) if can), default=0.0)
        step = [2 if can and width < COARSE * finest else 1 for width, can in zip(widths, free, strict=True)]
        if max(step) == 1:
            break
        found.append(step)
        sides = [side // n for side, n in zip(sides, step, strict=True)]
        widths = [width * n for width, n in zip(widths, step, strict=True)]
    return found or [[1] * len(sides)]


def _unet(draft: Draft) -> None:
    shape, spacing = shape_of(draft), spacing_of(draft)
    steps = strides(shape, spacing)
    even = [step for step in steps if len(set(step)) == 1]
    if draft.task == "segmentation" and len(even) < 2 < len(steps) and _dynunet(draft, steps):
        return
    steps = even or [[2] * len(shape)]
    first = (draft.get("model.generator.channels") or [FIRST])[0]
    channels = [min(max(WIDEST, first), first * 2**level) for level in range(len(steps) + 1)]
    bottom = [n // math.prod(step[axis] for step in steps) for axis, n in enumerate(shape)]
    why = f"{len(steps)} halvings leave {'x'.join(map(str, bottom))} of {'x'.join(map(str, shape))}"
    draft.put("model.generator.strides", [step[0] for step in steps], why)
    draft.put("model.generator.channels", channels, "doubled with each halving")


def _patch_discriminator(draft: Draft) -> None:
    """Take layers away where the smallest side has no room for them."""
    key, side = "model.discriminator.num_layers_d", min(shape_of(draft))
    layers = draft.get(key, 3)
    fits = next((n for n in range(layers, 1, -1) if side >> n >= LAST), 1)
    if fits < layers:
        draft.put(key, fits, f"sides of {side} leave room for no more", new=True)


def _dynunet(draft: Draft, steps: list[list[int]]) -> bool:
    """Choose nnU-Net's network, which halves axes one by one; False where that is not to be had."""
    spacing = spacing_of(draft)
    why = f"voxels of {max(spacing) / min(spacing):.1f} to 1: coarse axes are halved later or not at all"
    if not draft.choose("model/generator", "dynunet", why):
        return False
    levels = [1, *(step[0] if len(set(step)) == 1 else step for step in steps)]
    draft.put("model.generator.strides", levels, why)
    return True


def _centernet(draft: Draft) -> None:
    data = draft.data
    scale = zoom_of(draft)
    small, large = data.smallest * scale, data.greatest * scale
    if not small:
        return
    stride = 1 if small < SMALL[data.dims] else 2 if small < MEDIUM else 4
    draft.put("model.generator.stride", stride, f"boxes of the smallest class measure {small:.3g} pixels")
    stride = draft.get("model.generator.stride")
    cells = [math.ceil(n / stride) for n in shape_of(draft)]
    if large / stride > 16 and min(cells) >= 64:
        why = f"the largest boxes measure {large / stride:.3g} cells: one level more sees them whole"
        draft.put("model.generator.body.strides", [2, 2, 2], why)
        draft.put("model.generator.body.channels", [32, 64, 128, 128], "one for each level")
    if min(cells) >= 96:
        draft.put("model.generator.head", 16, "narrow: the maps are large")
        draft.put("model.generator.body.act", "LEAKYRELU", "costs less than PReLU on large maps", new=True)
