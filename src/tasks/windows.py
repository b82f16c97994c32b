"""A network on images larger than what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

ROWS = 16
"""Images, or windows, that are passed at once."""


def slide(
    network: nn.Module, image: Tensor, window: int | Sequence[int] | None, overlap: float = 0.25
) -> Tensor:
    """The network's output for [B, C, *spatial], float32; of images larger than `window`, in windows.

    Windows overlap by that share of their sides and are blended by a Gaussian. None: always whole images.
    """
    sides = image.shape[2:]
    size = [window] * len(sides) if isinstance(window, int) else list(window or sides)
    if all(side <= most for side, most in zip(sides, size, strict=True)):
        return torch.cat([network(part).float() for part in torch.split(image, ROWS)])
    output = sliding_window_inference(
        image, size, ROWS, network, overlap, mode="gaussian", padding_mode="replicate"
    )
    assert isinstance(output, Tensor)
    return output.float()
