"""Collectives: differentiable sums and means over the global batch of all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_disabled = False


class _AllSum(torch.autograd.Function):
    """Sum over the processes, element by element; its own adjoint, so differentiable to any order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return all_sum(gradient)


def processes() -> int:
    """Return the number of processes that share the batch: 1 without torch.distributed."""
    shared = dist.is_available() and dist.is_initialized() and not _disabled
    return dist.get_world_size() if shared else 1


def rank() -> int:
    """Return the rank of this process, from 0 on."""
    return dist.get_rank() if processes() > 1 else 0


@contextmanager
def without_collectives() -> Iterator[None]:
    """Disable collectives inside, for work that not every process does."""
    global _disabled
    before, _disabled = _disabled, True
    try:
        yield
    finally:
        _disabled = before


def all_sum(x: Tensor) -> Tensor:
    """Return the sum over the processes, element by element, differentiable."""
    return x if processes() == 1 else _AllSum.apply(x)  # type: ignore[no-untyped-call]


def batch_sum(x: Tensor) -> Tensor:
    """Return the sum over the elements of `x` in all processes, 0-dim, differentiable."""
    return all_sum(x.sum())


def batch_mean(x: Tensor) -> Tensor:
    """Return the mean over the elements of `x` in all processes, 0-dim, differentiable.

    Its gradient is right when the processes' losses are weighted by their shares of the batch and parameter
    gradients are averaged over the processes afterwards.
    """
    if processes() == 1:
        return x.sum() / x.numel()
    total = all_sum(torch.stack([x.sum(), x.new_full((), x.numel())]))
    return total[0] / total[1]
