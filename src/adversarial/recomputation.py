"""Activations that are computed again in backward and not kept: less memory, more time, the same numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ganatomy.adversarial.distributed.random import current_rows, drawing_rows
from ganatomy.errors import UserError

CONTAINERS = (nn.ModuleList, nn.ModuleDict)
"""Modules that are not called themselves."""


def recompute_activations(network: nn.Module) -> nn.Module:
    """Let each block of a network keep its inputs alone, and compute the rest again in backward.

    Chen et al., arXiv 1604.06174. Weights, their names and all numbers stay: random numbers, modes, buffers
    and autocast are as they were when the block is computed again. Gradients may be differentiated again.

    Example:
        >>> network = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Conv2d(4, 1, 3))
        >>> list(recompute_activations(network).state_dict())
        ['0.0.weight', '0.0.bias', '1.weight', '1.bias']
    """
    for block in blocks(network) or [network]:
        block.forward = MethodType(_forward, block)
    return network


def blocks(network: nn.Module) -> list[nn.Module]:
    """Return the blocks of a network that have layers of their own, outermost; lists are looked into.

    So is a network, or a part of one, that only wraps another.
    """
    parts = [child for child in network.children() if _has_layers(child)]
    if len(parts) == 1 and set(network.parameters()) == set(parts[0].parameters()):
        return blocks(parts[0]) or _opened(parts[0])
    return [block for part in parts for block in _opened(part)]


def _opened(part: nn.Module) -> list[nn.Module]:
    """Return the blocks of a list, or of a plain row of parts; any other part is a block."""
    if isinstance(part, CONTAINERS):
        return [block for child in part.children() if _has_layers(child) for block in _opened(child)]
    if type(part) is nn.Sequential:
        return blocks(part) or [part]
    return [part]


def _has_layers(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


class _AsBefore(AbstractContextManager[None]):
    """A block as it is now: its modes, its buffers, and the rows that noise is drawn for.

    Entered whenever the block is computed again; afterwards all is as it was found.
    """

    def __init__(self, block: nn.Module) -> None:
        self.modules, self.rows = list(block.modules()), current_rows()
        self.buffers = list(block.buffers())
        self.modes, self.values = self._found()

    def _found(self) -> tuple[list[bool], list[Tensor]]:
        return [module.training for module in self.modules], [buffer.clone() for buffer in self.buffers]

    def _put(self, modes: list[bool], values: list[Tensor]) -> None:
        for module, training in zip(self.modules, modes, strict=True):
            module.training = training
        for buffer, value in zip(self.buffers, values, strict=True):
            buffer.data.copy_(value)

    def __enter__(self) -> None:
        self.found, self.context = self._found(), drawing_rows(self.rows)
        self._put(self.modes, self.values)
        self.context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(None, None, None)
        self._put(*self.found)


def _forward(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    """Run a block, in the place of its `forward`."""
    forward = type(block).forward
    if not torch.is_grad_enabled():
        return forward(block, *inputs, **named)
    for module in block.modules():
        if hasattr(module, "parametrizations"):
            raise UserError(
                f"trainer.checkpointing: {type(block).__name__} has spectral norm or another "
                "parametrization, whose weights are kept from pass to pass; leave this player out "
                "(trainer.checkpointing=generator), or the norm"
            )
    again = _AsBefore(block)
    return checkpoint(
        forward, block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), again), **named
    )
