"""Networks on images larger than those they were trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

ROWS = 16
"""Images, or windows, per forward pass."""
OVERLAP = 0.25


def slide(network: Callable[[Tensor], Tensor], image: Tensor, window: int | Sequence[int] | None) -> Tensor:
    """Return the network's output, float32, in windows for images of other sides than `window`.

    Windows overlap by a quarter of their sides and are blended by a Gaussian. A smaller image is padded with
    its border, since the network may need that size.

    Args:
        network: Network, images to outputs of the same sides.
        image: Images [B, C, *spatial].
        window: Sides of a window, or one for all axes; None for whole images always.
    """
    sides = image.shape[2:]
    size = [window] * len(sides) if isinstance(window, int) else list(window or sides)
    if all(side == length for side, length in zip(sides, size, strict=True)):
        return checked_sides(torch.cat([network(part).float() for part in torch.split(image, ROWS)]), image)
    output = sliding_window_inference(
        image, size, ROWS, network, OVERLAP, mode="gaussian", padding_mode="replicate"
    )
    assert isinstance(output, Tensor)
    return output.float()


def checked_sides(output: Tensor, image: Tensor) -> Tensor:
    """Return the output; UserError if its sides are not those of the image.

    A network that halves an image of odd sides and doubles it again answers with one more pixel, shifted.
    """
    if output.shape[2:] != image.shape[2:]:
        made, given = ("x".join(map(str, each.shape[2:])) for each in (output, image))
        raise UserError(
            f"task.window: the network answers images of {given} with {made}; set task.window to the sides "
            "of the training images, or data.size to a multiple of its strides"
        )
    return output


def in_windows(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return a task's settings with `window` set if it is null and training saw only parts of images."""
    if given.get("window") is None and data.window is not None:
        return {**given, "window": data.window}
    return given


def checked_window(window: int | Sequence[int] | None, dims: int) -> tuple[int, ...] | None:
    """`task.window` as a side for each of so many axes; UserError for anything but sides of 1 or more."""
    if window is None:
        return None
    sides = (window,) * dims if isinstance(window, int) else tuple(window)
    if isinstance(window, bool) or len(sides) != dims or min(sides) < 1:
        raise UserError(
            f"task.window={as_typed(window)}: give one side of 1 or more, or {dims}, or null for whole images"
        )
    return sides


def aligned(window: int | Sequence[int] | None, sides: Sequence[int], factor: int) -> list[int] | None:
    """Enlarge `window` so that no window of `slide` cuts a block of `factor` pixels.

    Sides become multiples of four blocks, since windows lie three quarters of a side apart, and are at most
    the image's.

    Args:
        window: Sides of a window, or one for all axes; None stays None.
        sides: Sides of the image, in whole blocks.
        factor: Side of a block in pixels.
    """
    if window is None:
        return None
    step = 4 * factor
    wanted = [window] * len(sides) if isinstance(window, int) else window
    return [min(-(-length // step) * step, side) for length, side in zip(wanted, sides, strict=True)]
