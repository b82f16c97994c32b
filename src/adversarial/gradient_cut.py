"""Gradient cut at G's output: losses are differentiated down to it, then the result goes back through G once.

Every backward pass of the game is made here: with autocast off, so that float32 penalties stay float32 in
backward, and into the parameters of one player only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor


class GradientCut:
    """An output with its history, and a detached copy of the same structure and values.

    Attributes:
        leaves: The copy, from which losses are computed.
    """

    def __init__(self, output: Any) -> None:
        self._outputs: list[Tensor] = []
        self._copies: list[Tensor] = []
        self.leaves = self._copy(output)

    def _copy(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            if not output.requires_grad:
                return output
            self._outputs.append(output)
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
        """Return the leaves that take a gradient as a flat list."""
        return self._copies

    def backward_into(self, gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> None:
        """Propagate the leaves' gradients back through the output into `.grad` of these parameters."""
        outputs = [(output, g) for output, g in zip(self._outputs, gradients, strict=True) if g is not None]
        if outputs and parameters:
            with full_precision():
                torch.autograd.backward(
                    [output for output, _ in outputs], [g for _, g in outputs], inputs=list(parameters)
                )

    def gradients_at(
        self, gradients: Sequence[Tensor | None], targets: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Propagate the leaves' gradients back across the cut to the targets; None where none arrives."""
        outputs = [(output, g) for output, g in zip(self._outputs, gradients, strict=True) if g is not None]
        if not outputs or not targets:
            return [None] * len(targets)
        with full_precision():
            return list(
                torch.autograd.grad(
                    [output for output, _ in outputs], targets, [g for _, g in outputs], allow_unused=True
                )
            )


def gradients_at(loss: Tensor, targets: Sequence[Tensor], keep_graph: bool) -> list[Tensor | None]:
    """Return the gradient of a loss at each target.

    Args:
        loss: 0-dim.
        targets: Leaves or intermediate tensors.
        keep_graph: Keep the graph for a second backward pass.

    Returns:
        One gradient per target; None where the loss does not depend on it.
    """
    if not loss.requires_grad or not targets:
        return [None] * len(targets)
    with full_precision():
        return list(torch.autograd.grad(loss, targets, retain_graph=keep_graph, allow_unused=True))


def accumulate_gradients(loss: Tensor, leaves: Sequence[Tensor]) -> None:
    """Add the gradient of `loss` to `.grad` of these leaves, and of nothing else."""
    if loss.requires_grad and leaves:
        with full_precision():
            torch.autograd.backward(loss, inputs=list(leaves))


def full_precision() -> AbstractContextManager[None]:
    """Turn autocast off on every device type where it is on."""
    return _AutocastOff()


class _AutocastOff(AbstractContextManager[None]):
    """Costs nothing in a thread without autocast, the common case."""

    def __enter__(self) -> None:
        self._contexts = [torch.autocast(device, enabled=False) for device in autocast_devices()]
        for context in self._contexts:
            context.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*error)


def autocast_devices() -> list[str]:
    """Return the device types on which autocast is on in this thread."""
    return [kind for kind in ("cpu", "cuda", "xpu", "mps") if torch.is_autocast_enabled(kind)]
