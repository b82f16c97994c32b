"""Hooks that count a step's passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def count_forwards(g: nn.Module, d: nn.Module) -> Iterator[dict[str, int]]:
    """Count the calls of G and D, and the gradients that arrive at D's outputs."""
    passes = {"generator": 0, "discriminator": 0, "backward": 0}

    def arrived(gradient: Tensor) -> None:
        passes["backward"] += 1

    def answered(module: nn.Module, inputs: object, output: object) -> None:
        passes["discriminator"] += 1
        logits = output
        while not isinstance(logits, Tensor):
            logits = logits[0] if isinstance(logits, tuple) else logits[-1]
        logits.register_hook(arrived)

    def generated(module: nn.Module, inputs: object, output: object) -> None:
        passes["generator"] += 1

    hooks = [g.register_forward_hook(generated), d.register_forward_hook(answered)]
    yield passes
    for hook in hooks:
        hook.remove()
