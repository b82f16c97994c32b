"""The cut at G's output: losses are differentiated down to it once, and G is entered from it once.

Every backward pass of the game goes through here: with autocast off, so that float32 penalties stay float32
on the way back, and towards one player's parameters only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor


class GradientCut:
    """G's output and its leaf copy: same structure, same values, no history.

    leaves: the copy, which losses are computed from.
    """

    def __init__(self, output: Any) -> None:
        self._made: list[Tensor] = []
        self._copies: list[Tensor] = []
        self.leaves = self._copy(output)

    def _copy(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            if not output.requires_grad:
                return output
            self._made.append(output)
            self._copies.append(output.detach().requires_grad_())
            return self._copies[-1]
        if isinstance(output, Mapping):
            return {key: self._copy(value) for key, value in output.items()}
        if isinstance(output, tuple) and hasattr(output, "_fields"):
            return type(output)(*(self._copy(value) for value in output))
        if isinstance(output, list | tuple):
            return type(output)(self._copy(value) for value in output)
        return output

    @property
    def tensors(self) -> list[Tensor]:
        """The leaves that take a gradient, flat."""
        return self._copies

    def enter(self, gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> None:
        """Send the leaves' gradients on through G into `.grad` of its parameters."""
        reached = [(made, g) for made, g in zip(self._made, gradients, strict=True) if g is not None]
        if reached and parameters:
            with full_precision():
                torch.autograd.backward(
                    [made for made, _ in reached], [g for _, g in reached], inputs=list(parameters)
                )

    def onward(self, gradients: Sequence[Tensor | None], towards: Sequence[Tensor]) -> list[Tensor | None]:
        """The leaves' gradients carried back across the cut to `towards`; None where nothing arrives."""
        reached = [(made, g) for made, g in zip(self._made, gradients, strict=True) if g is not None]
        if not reached or not towards:
            return [None] * len(towards)
        with full_precision():
            return list(
                torch.autograd.grad(
                    [made for made, _ in reached], towards, [g for _, g in reached], allow_unused=True
                )
            )


def gradients_at(loss: Tensor, towards: Sequence[Tensor], keep: bool) -> list[Tensor | None]:
    """Gradients of `loss` at the tensors `towards`, None where it does not reach; `keep` leaves the graph."""
    if not loss.requires_grad or not towards:
        return [None] * len(towards)
    with full_precision():
        return list(torch.autograd.grad(loss, towards, retain_graph=keep, allow_unused=True))


def accumulate_gradients(loss: Tensor, leaves: Sequence[Tensor]) -> None:
    """Add the gradient of `loss` to `.grad` of these leaves, and of nothing else."""
    if loss.requires_grad and leaves:
        with full_precision():
            torch.autograd.backward(loss, inputs=list(leaves))


def full_precision() -> AbstractContextManager[None]:
    """Autocast off, on every device type it is on."""
    return _Off()


class _Off(AbstractContextManager[None]):
    """Leaves alone a thread without autocast, the common case, at no cost."""

    def __enter__(self) -> None:
        self._contexts = [torch.autocast(device, enabled=False) for device in autocast_devices()]
        for context in self._contexts:
            context.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*error)


def autocast_devices() -> list[str]:
    """The device types on which autocast is on in this thread."""
    return [kind for kind in ("cpu", "cuda", "xpu", "mps") if torch.is_autocast_enabled(kind)]
