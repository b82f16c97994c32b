"""Means over the global batch: the one place of the game where processes talk to each other."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _AllSum(torch.autograd.Function):
    """Sum over the processes; its adjoint is the sum of the gradients over the processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


def processes() -> int:
    """How many processes share the batch: one without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def batch_sum(x: Tensor) -> Tensor:
    """Sum over the elements of `x` in all processes, 0-dim, differentiable."""
    total = x.sum()
    return total if processes() == 1 else _AllSum.apply(total)  # type: ignore[no-untyped-call]


def batch_mean(x: Tensor) -> Tensor:
    """Mean over the elements of `x` in all processes, 0-dim, differentiable; every process holds as many.

    Its gradient is right when the caller averages parameter gradients over the processes afterwards.
    """
    return batch_sum(x) / (x.numel() * processes())
