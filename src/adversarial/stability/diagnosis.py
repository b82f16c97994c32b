"""Find where a non-finite gradient began: run the batch again and watch every layer and loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.gradient_cut import gradients_at
from ganatomy.adversarial.losses.features import feature_matching
from ganatomy.adversarial.updates.discriminator_phase import penalties
from ganatomy.adversarial.updates.generator_phase import adversarial_losses
from ganatomy.adversarial.updates.network_traits import restored_afterwards
from ganatomy.adversarial.updates.step import Step


def diagnose(game: Game, batch: Batch, step: int, player: str) -> str:
    """Name the loss and the layer where the player's gradient stops being finite, or "" if it is finite now.

    Call it before the optimizer steps, with the caller's autocast on. Gradients and buffers stay as they are.

    Args:
        game: The game.
        batch: The batch at which the gradient was not finite.
        step: Batches done before it.
        player: "generator" or "discriminator".

    Returns:
        A clause for the message to the user.
    """
    networks = {"generator": game.generator, "discriminator": game.discriminator}
    present = {name: network for name, network in networks.items() if network is not None}
    for name, network in present.items():
        for parameter, value in network.named_parameters():
            if not _finite(value):
                return f"it was so before this step: {name}.{parameter} is not finite"
    trace = _Trace()
    stateful = [*present.values(), *(module for module in game.state() if module is not None)]
    with restored_afterwards(stateful), torch.enable_grad():
        try:
            for name, network in present.items():
                trace.attach(name, network)
            losses = _losses(game, batch, step, player)
            parameters = game.parameters(player)
            for name, loss in losses.items():
                found = trace.first_bad_layer(loss, parameters)
                if found:
                    return f"it began in loss {name}, {found}"
        finally:
            trace.detach()
    return ""


def _losses(game: Game, batch: Batch, step: int, player: str) -> dict[str, Tensor]:
    """Return the player's losses by name, each with its graph."""
    current = Step(game, step, lambda loss: loss)
    output = game.rules.generate(batch)
    losses: dict[str, Tensor] = {}
    if player == "generator":
        losses.update(game.rules.task_losses(batch, output))
    if game.discriminator is None or game.loss is None:
        return losses
    pairs = current.discriminate(batch, output)
    adversarial = adversarial_losses(current, pairs)[0] if player == "generator" else []
    for number, pair in enumerate(pairs):
        label, (real, fake) = pair.adversary.name, pair.both
        values: dict[str, Tensor] = {}
        if player == "generator":
            values["adversarial"] = adversarial[number]
            if game.feature_matching > 0:
                values["feature_matching"] = feature_matching(real.output, fake.output)
        else:
            values["adversarial"] = game.loss.discriminator(real.output, fake.output)
            values |= {penalty.name: value for penalty, value in penalties(current, pair)}
        losses |= {f"{label}/{name}" if label else name: value for name, value in values.items()}
    return losses


class _Trace:
    """Forward and backward hooks on every layer that has no sublayers."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._first_bad_output: str = ""
        self._passes: list[tuple[str, bool, bool]] = []

    def attach(self, player: str, network: nn.Module) -> None:
        for name, layer in network.named_modules():
            if next(layer.children(), None) is None:
                label = (
                    f"{player}.{name} ({type(layer).__name__})"
                    if name
                    else f"{player} ({type(layer).__name__})"
                )
                self._handles.append(layer.register_forward_pre_hook(partial(self._before_forward, label)))
                self._handles.append(layer.register_forward_hook(partial(self._after_forward, label)))

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()

    def first_bad_layer(self, loss: Tensor, parameters: list[nn.Parameter]) -> str:
        """Return the layer where the loss or its gradient stops being finite, or "" if it is finite."""
        self._passes.clear()
        gradients = gradients_at(loss, parameters, keep_graph=True)
        if _finite(loss) and all(g is None or _finite(g) for g in gradients):
            return ""
        if self._first_bad_output:
            return f"layer {self._first_bad_output}"
        if not _finite(loss):
            return "in its own formula: every layer's output is finite"
        good_outputs = {label for label, is_input, finite in self._passes if finite and not is_input}
        for label, is_input, finite in self._passes:
            if not finite and is_input and label in good_outputs:
                return f"layer {label}: in its backward pass"
        return "in its own formula, in the backward pass: every layer's output is finite"

    def _before_forward(self, label: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        for x in inputs:
            if isinstance(x, Tensor) and x.requires_grad:
                x.register_hook(  # type: ignore[no-untyped-call]
                    self._recorder(label, True)
                )

    def _after_forward(self, label: str, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor):
            return
        if not self._first_bad_output and not _finite(output):
            finite_inputs = all(_finite(x) for x in inputs if isinstance(x, Tensor))
            self._first_bad_output = f"{label}: its {'output' if finite_inputs else 'input'} is not finite"
        if output.requires_grad:
            output.register_hook(  # type: ignore[no-untyped-call]
                self._recorder(label, False)
            )

    def _recorder(self, label: str, is_input: bool) -> Callable[[Tensor], None]:
        def record(gradient: Tensor) -> None:
            self._passes.append((label, is_input, _finite(gradient)))

        return record


def _finite(x: Tensor) -> bool:
    return bool(torch.isfinite(x).all())
