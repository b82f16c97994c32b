"""Random numbers of a step, drawn for the global batch and sliced by rank: N processes draw as one would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from src.adversarial.reduce import processes


def uniform(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """[B, *shape] in [0, 1), B the length of `like`, on its device, float32 at least."""
    return _mine(torch.rand, like, shape)


def normal(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """[B, *shape] standard normal, B the length of `like`, on its device, float32 at least."""
    return _mine(torch.randn, like, shape)


def _mine(draw: Callable[..., Tensor], like: Tensor, shape: Sequence[int]) -> Tensor:
    count = len(like)
    wide = torch.promote_types(like.dtype, torch.float32)
    numbers = draw(count * processes(), *shape, device=like.device, dtype=wide)
    start = count * dist.get_rank() if processes() > 1 else 0
    return numbers[start : start + count]
