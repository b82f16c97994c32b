"""A discriminator's output, and a pass through it: what it was shown and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganatomy.adversarial.gradient_cut import autocast_devices, full_precision
from ganatomy.errors import UserError

X = Tensor | tuple[Tensor, ...]
"""One batch for D: a tensor, or the tensors that are its arguments, image first."""


class DiscriminatorOutput(NamedTuple):
    """D's answer: logits per scale ([B, ...] each), and per scale the features on the way there."""

    logits: list[Tensor]
    features: list[list[Tensor]]

    def score(self) -> Tensor:
        """[B]: a sample's logits averaged over each map, then over the scales."""
        per_scale = [logits.flatten(1).mean(1) if logits.dim() > 1 else logits for logits in self.logits]
        total = per_scale[0]
        for scale in per_scale[1:]:
            total = total + scale
        return total / len(per_scale)


def read_output(output: Any) -> DiscriminatorOutput:
    """Read D's output: logits; [features..., logits]; or ([logits per scale], [features per scale])."""
    if isinstance(output, Tensor):
        return DiscriminatorOutput([output], [[]])
    if isinstance(output, list | tuple) and output:
        if all(isinstance(entry, Tensor) for entry in output):
            return DiscriminatorOutput([output[-1]], [list(output[:-1])])
        if len(output) == 2 and all(isinstance(entry, list | tuple) for entry in output):
            return DiscriminatorOutput(list(output[0]), [list(features) for features in output[1]])
    raise UserError(
        f"discriminator: its output is a {type(output).__name__}; give logits, a list [features..., logits], "
        "or ([logits per scale], [features per scale])"
    )


class DiscriminatorPass:
    """One batch as D was shown it: its arguments (image-like first) and its verdict."""

    def __init__(self, inputs: tuple[Tensor, ...], answer: DiscriminatorOutput) -> None:
        self.inputs = inputs
        self.verdict = answer
        self._slope: Tensor | None = None

    def slope(self) -> Tensor:
        """Gradient of every sample's score at its own input (the first argument), differentiable in D."""
        if self._slope is None:
            fill_input_gradients([self])
        assert self._slope is not None
        return self._slope


def augmented(x: X, augment: nn.Module | None) -> tuple[Tensor, ...]:
    """What D is given of x, as arguments, augmented."""
    inputs = (x,) if isinstance(x, Tensor) else tuple(x)
    return inputs if augment is None else tuple(augment(inputs))


def run_discriminator(
    discriminator: nn.Module, inputs: Sequence[Tensor], slope: bool = False
) -> DiscriminatorPass:
    """D's verdict on its arguments; `slope` when a penalty will ask for the gradient at the first."""
    first, *rest = inputs
    if slope and not first.requires_grad:
        first = first.detach().requires_grad_()
    return DiscriminatorPass((first, *rest), read_output(discriminator(first, *rest)))


def fill_input_gradients(batches: Sequence[DiscriminatorPass]) -> None:
    """Fill in the slopes of these batches in one backward pass through D."""
    with full_precision():
        scores = torch.stack([seen.verdict.score().sum() for seen in batches]).sum()
        slopes = torch.autograd.grad(scores, [seen.inputs[0] for seen in batches], create_graph=True)
    for seen, slope in zip(batches, slopes, strict=True):
        seen._slope = slope


def rerun_in_float32(
    discriminator: nn.Module, batches: Sequence[DiscriminatorPass], together: bool
) -> list[DiscriminatorPass]:
    """The batches shown to D once more in float32, autocast off, with their slopes.

    `together` in one concatenated batch: faster, and exact only where D keeps its samples apart.
    """
    with full_precision():
        inputs = [tuple(_widened(x) for x in seen.inputs) for seen in batches]
        leaves = [(first.requires_grad_(), *rest) for first, *rest in inputs]
        if not together or len(batches) == 1:
            again = [DiscriminatorPass(leaf, read_output(discriminator(*leaf))) for leaf in leaves]
        else:
            answer = read_output(discriminator(*(torch.cat(column) for column in zip(*leaves, strict=True))))
            sizes = [len(leaf[0]) for leaf in leaves]
            parts = zip(*(torch.split(logits, sizes) for logits in answer.logits), strict=True)
            again = [
                DiscriminatorPass(leaf, DiscriminatorOutput(list(part), []))
                for leaf, part in zip(leaves, parts, strict=True)
            ]
        fill_input_gradients(again)
    return again


def _widened(x: Tensor) -> Tensor:
    x = x.detach()
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x.view_as(x)


def is_half_precision(seen: DiscriminatorPass) -> bool:
    """Whether D spoke in less than float32, so that a penalty must ask again."""
    return bool(autocast_devices()) or seen.inputs[0].dtype in (torch.float16, torch.bfloat16)
