"""A network on images larger than what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError

ROWS = 16
"""Images, or windows, that are passed at once."""
OVERLAP = 0.25


def slide(network: Callable[[Tensor], Tensor], image: Tensor, window: int | Sequence[int] | None) -> Tensor:
    """The network's output for [B, C, *spatial], float32; of images of other sides than `window`, in windows.

    Windows overlap by a quarter of their sides and are blended by a Gaussian. An image that is smaller is
    padded with its border, as a network may take no other size. None: always whole images.
    """
    sides = image.shape[2:]
    size = [window] * len(sides) if isinstance(window, int) else list(window or sides)
    if all(side == most for side, most in zip(sides, size, strict=True)):
        return torch.cat([network(part).float() for part in torch.split(image, ROWS)])
    output = sliding_window_inference(
        image, size, ROWS, network, OVERLAP, mode="gaussian", padding_mode="replicate"
    )
    assert isinstance(output, Tensor)
    return output.float()


def in_windows(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """A task's settings with `window`, where it is null and training saw but the middle of larger images."""
    if given.get("window") is None and data.window is not None:
        return {**given, "window": data.window}
    return given


def mirrored(answer: Callable[[Tensor], Tensor], image: Tensor, axes: Sequence[int]) -> Tensor:
    """Mean of the answers to [B, C, *spatial] mirrored along every subset of its `axes`, each mirrored back.

    Test-time augmentation: 2^n passes for n axes.
    """
    if not axes:  # no second copy of what may fill the memory
        return answer(image)
    flips = [[axis + 2 for axis in chosen] for chosen in subsets(axes)]
    return torch.stack([answer(image.flip(dims)).flip(dims) for dims in flips]).mean(0)


def subsets(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """All of them, the empty one first."""
    return [chosen for n in range(len(axes) + 1) for chosen in combinations(axes, n)]


def checked_mirror_axes(axes: Sequence[int], dims: int) -> tuple[int, ...]:
    """`task.mirror_axes` of images of so many dimensions; UserError for what is none of their axes."""
    if not set(axes) <= set(range(dims)) or len(set(axes)) < len(axes):
        raise UserError(f"task.mirror_axes: {list(axes)}; choose among {list(range(dims))}, each once")
    return tuple(axes)


def aligned(window: int | Sequence[int] | None, sides: Sequence[int], factor: int) -> list[int] | None:
    """`window` such that no window of `slide` cuts a block of `factor` pixels, in images of whole blocks.

    Sides are enlarged to a multiple of four blocks, as windows lie three quarters of a side apart, and are at
    most the image's.
    """
    if window is None:
        return None
    step = 4 * factor
    wanted = [window] * len(sides) if isinstance(window, int) else window
    return [min(-(-most // step) * step, side) for most, side in zip(wanted, sides, strict=True)]
