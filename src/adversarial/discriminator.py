"""Discriminator forward passes: inputs, output, and the gradient of the score at the input."""

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
    """D's output: logits per scale ([B, ...] each), and per scale the features of the layers before.

    Example:
        >>> patches = torch.tensor([[[[1.0, 3.0]]]])
        >>> DiscriminatorOutput(logits=[patches], features=[[]]).score()
        tensor([2.])
    """

    logits: list[Tensor]
    features: list[list[Tensor]]

    def score(self) -> Tensor:
        """Return [B]: a sample's logits averaged over each map, then over the scales."""
        per_scale = [logits.flatten(1).mean(1) if logits.dim() > 1 else logits for logits in self.logits]
        total = per_scale[0]
        for scale in per_scale[1:]:
            total = total + scale
        return total / len(per_scale)


def read_output(output: Any) -> DiscriminatorOutput:
    """Read D's output: logits; [features..., logits]; or ([logits per scale], [features per scale]).

    Raises:
        UserError: The output has none of these forms.

    Example:
        >>> features, logits = torch.zeros(2, 8, 4, 4), torch.ones(2, 1, 2, 2)
        >>> output = read_output([features, logits])
        >>> output.score(), len(output.features[0])
        (tensor([1., 1.]), 1)
    """
    if isinstance(output, Tensor):
        return DiscriminatorOutput([output], [[]])
    if isinstance(output, list | tuple) and output:
        if all(isinstance(entry, Tensor) for entry in output):
            return DiscriminatorOutput([output[-1]], [list(output[:-1])])
        if len(output) == 2 and all(isinstance(entry, list | tuple) for entry in output):
            return DiscriminatorOutput(list(output[0]), [list(features) for features in output[1]])
    raise UserError(
        f"discriminator: its output is a {type(output).__name__}; return logits, a list "
        "[features..., logits], or ([logits per scale], [features per scale])"
    )


class DiscriminatorPass:
    """One forward pass of D over a batch.

    Attributes:
        inputs: D's arguments, image first.
        output: What D returned.
    """

    def __init__(self, inputs: tuple[Tensor, ...], output: DiscriminatorOutput) -> None:
        self.inputs = inputs
        self.output = output
        self._input_gradient: Tensor | None = None

    def input_gradient(self) -> Tensor:
        """Return each sample's gradient of its score at its own first argument, differentiable in D."""
        if self._input_gradient is None:
            fill_input_gradients([self])
        assert self._input_gradient is not None
        return self._input_gradient


def augmented(x: X, augment: nn.Module | None) -> tuple[Tensor, ...]:
    """Return x as a tuple of D's arguments, augmented unless `augment` is None."""
    inputs = (x,) if isinstance(x, Tensor) else tuple(x)
    return inputs if augment is None else tuple(augment(inputs))


def run_discriminator(
    discriminator: nn.Module, inputs: Sequence[Tensor], needs_input_gradient: bool = False
) -> DiscriminatorPass:
    """Run D once.

    Args:
        discriminator: Called with the inputs as its arguments.
        inputs: [B, C, *spatial] first, then D's further arguments.
        needs_input_gradient: Make the first argument a leaf with a gradient, for `input_gradient`.

    Returns:
        The inputs with D's output.
    """
    first, *rest = inputs
    if needs_input_gradient and not first.requires_grad:
        first = first.detach().requires_grad_()
    return DiscriminatorPass((first, *rest), read_output(discriminator(first, *rest)))


def fill_input_gradients(passes: Sequence[DiscriminatorPass]) -> None:
    """Compute the input gradients of these passes in one backward pass through D."""
    with full_precision():
        scores = torch.stack([each.output.score().sum() for each in passes]).sum()
        gradients = torch.autograd.grad(scores, [each.inputs[0] for each in passes], create_graph=True)
    for each, gradient in zip(passes, gradients, strict=True):
        each._input_gradient = gradient


def rerun_in_float32(
    discriminator: nn.Module, passes: Sequence[DiscriminatorPass], join: bool
) -> list[DiscriminatorPass]:
    """Run D again on the inputs of these passes in float32, autocast off, and fill in the input gradients.

    Args:
        discriminator: The network of these passes.
        passes: Their inputs are used again, detached.
        join: Run D on one concatenated batch: faster, and exact only where D does not couple samples.

    Returns:
        One new pass for each; joined ones have no features.
    """
    with full_precision():
        inputs = [tuple(_detached_float32(x) for x in each.inputs) for each in passes]
        leaves = [(first.requires_grad_(), *rest) for first, *rest in inputs]
        if not join or len(passes) == 1:
            again = [DiscriminatorPass(leaf, read_output(discriminator(*leaf))) for leaf in leaves]
        else:
            output = read_output(discriminator(*(torch.cat(column) for column in zip(*leaves, strict=True))))
            sizes = [len(leaf[0]) for leaf in leaves]
            parts = zip(*(torch.split(logits, sizes) for logits in output.logits), strict=True)
            again = [
                DiscriminatorPass(leaf, DiscriminatorOutput(list(part), []))
                for leaf, part in zip(leaves, parts, strict=True)
            ]
        fill_input_gradients(again)
    return again


def _detached_float32(x: Tensor) -> Tensor:
    x = x.detach()
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x.view_as(x)


def is_half_precision(discriminator_pass: DiscriminatorPass) -> bool:
    """Return True if D ran below float32, so that a penalty must run it again."""
    return bool(autocast_devices()) or discriminator_pass.inputs[0].dtype in (torch.float16, torch.bfloat16)
