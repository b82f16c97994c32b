"""Deep supervision: several heads of a network, each with an answer of its own in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

Heads = Tensor | Sequence[Tensor]
"""One answer [B, K, *spatial]; or several: a list, finest first, or stacked [B, heads, K, *spatial]."""


def heads_of(output: Any, spatial_dims: int) -> Sequence[Tensor]:
    """Return the heads of a network's output, the finest first.

    Args:
        output: `Heads`; stacked as MONAI's DynUNet does. Anything else is returned as the only head.
        spatial_dims: 2 or 3.
    """
    if isinstance(output, Tensor):
        return output.unbind(1) if output.dim() == spatial_dims + 3 else [output]
    return output if isinstance(output, list | tuple) and output else [output]


def head_weights(count: int) -> list[float]:
    """Return weights 1, 1/2, 1/4, ... of so many heads, divided by their sum (Isensee et al., nnU-Net).

    Example:
        >>> head_weights(2)
        [0.6666666666666666, 0.3333333333333333]
    """
    weights = [0.5**place for place in range(count)]
    return [weight / sum(weights) for weight in weights]
