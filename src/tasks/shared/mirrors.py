"""Mirror images: averages of answers over them, and the axes along which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

MirrorAxes = Sequence[int] | Literal["auto"]
"""Axes of mirror images, from 0; "auto" are those along which training flips images."""


def mirrored(answer: Callable[[Tensor], Tensor], image: Tensor, axes: Sequence[int]) -> Tensor:
    """Average the predictions for an image mirrored along every subset of `axes`, each mirrored back.

    Test-time augmentation: 2^n passes for n axes.

    Args:
        answer: Function from images to predictions of the same sides.
        image: Images [B, C, *spatial].
        axes: Spatial axes, from 0.
    """
    if not axes:  # avoid a second copy, which may not fit in memory
        return answer(image)
    flips = [[axis + 2 for axis in chosen] for chosen in subsets(axes)]
    return torch.stack([answer(image.flip(dims)).flip(dims) for dims in flips]).mean(0)


def subsets(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all subsets, the empty one first."""
    return [chosen for n in range(len(axes) + 1) for chosen in combinations(axes, n)]


def checked_mirror_axes(axes: MirrorAxes, dims: int) -> tuple[int, ...]:
    """`task.mirror_axes` of images of so many dimensions; UserError for what is none of their axes."""
    if isinstance(axes, str) or not set(axes) <= set(range(dims)) or len(set(axes)) < len(axes):
        raise UserError(
            f"task.mirror_axes: {as_typed(axes)}; choose among {list(range(dims))}, each once, or auto"
        )
    return tuple(axes)


def with_mirrors(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return a task's settings with `mirror_axes` as the flips of training if they are `auto`."""
    if given.get("mirror_axes") != "auto":
        return given
    return {**given, "mirror_axes": flipped_axes(data.augment, data.spatial_dims)}


def flipped_axes(augment: Iterable[Any], dims: int) -> list[int]:
    """Return the axes that training flips one by one, so that mirror images are none that it never saw.

    Args:
        augment: MONAI transforms, `data.augment`; those within others (Compose, OneOf) count too.
        dims: Spatial axes of an image.
    """
    found: set[int] = set()
    for each in augment:
        name = type(each).__name__
        if name == "RandFlipd":
            axes = each.flipper.spatial_axis
            alone = [axes] if isinstance(axes, int) else list(axes or ())
            found |= {axis % dims for axis in alone} if len(alone) == 1 else set()
        elif name == "RandAxisFlipd":
            found |= set(range(dims))
        else:
            found |= set(flipped_axes(getattr(each, "transforms", ()), dims))
    return sorted(found)
