"""Where a gradient that is not finite began: the batch is played again with every layer and loss watched."""

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
from ganatomy.adversarial.updates.network_traits import no_trace
from ganatomy.adversarial.updates.step import Step


def diagnose(game: Game, batch: Batch, step: int, player: str) -> str:
    """Name the loss and the layer where the player's gradient stops being finite, or "" if it is finite now.

    Call it before the optimiser steps, with the caller's autocast on. Gradients and buffers stay as they are.
    """
    networks = {"generator": game.generator, "discriminator": game.discriminator}
    present = {name: network for name, network in networks.items() if network is not None}
    for name, network in present.items():
        for parameter, value in network.named_parameters():
            if not _finite(value):
                return f"it was so before this step: {name}.{parameter} is not finite"
    trace = _Trace()
    stateful = [*present.values(), *(module for module in game.state() if module is not None)]
    with no_trace(stateful), torch.enable_grad():
        try:
            for name, network in present.items():
                trace.attach(name, network)
            losses = _losses(game, batch, step, player)
            own = [p for p in present[player].parameters() if p.requires_grad]
            for name, loss in losses.items():
                found = trace.follow(loss, own)
                if found:
                    return f"it began in loss {name}, {found}"
        finally:
            trace.detach()
    return ""


def _losses(game: Game, batch: Batch, step: int, player: str) -> dict[str, Tensor]:
    """The player's losses by name, each with its graph."""
    turn = Step(game, step, lambda loss: loss)
    output = game.rules.generate(batch)
    losses: dict[str, Tensor] = {}
    if player == "generator":
        losses.update(game.rules.task_losses(batch, output))
    if game.discriminator is None or game.loss is None:
        return losses
    shown = turn.show(batch, output)
    values = adversarial_losses(turn, shown, 1.0) if player == "generator" else []
    for number, showing in enumerate(shown):
        label, (real, fake) = showing.adversary.name, showing.both
        found: dict[str, Tensor] = {}
        if player == "generator":
            found["adversarial"] = values[number]
            if game.feature_matching > 0:
                found["feature_matching"] = feature_matching(real.verdict, fake.verdict)
        else:
            found["adversarial"] = game.loss.discriminator(real.verdict, fake.verdict)
            found |= {penalty.name: value for penalty, value in penalties(turn, showing)}
        losses |= {f"{label}/{name}" if label else name: value for name, value in found.items()}
    return losses


class _Trace:
    """Hooks on every layer without layers of its own, on the way forward and on the way back."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._born: str = ""
        self._passes: list[tuple[str, bool, bool]] = []

    def attach(self, player: str, network: nn.Module) -> None:
        for name, layer in network.named_modules():
            if next(layer.children(), None) is None:
                label = (
                    f"{player}.{name} ({type(layer).__name__})"
                    if name
                    else f"{player} ({type(layer).__name__})"
                )
                self._handles.append(layer.register_forward_pre_hook(partial(self._enter, label)))
                self._handles.append(layer.register_forward_hook(partial(self._leave, label)))

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()

    def follow(self, loss: Tensor, parameters: list[nn.Parameter]) -> str:
        """The layer where the loss or its gradient stops being finite, or "" if all is."""
        self._passes.clear()
        gradients = gradients_at(loss, parameters, keep=True)
        if _finite(loss) and all(g is None or _finite(g) for g in gradients):
            return ""
        if self._born:
            return f"layer {self._born}"
        if not _finite(loss):
            return "in its own formula: every layer's output is finite"
        good_outputs = {label for label, is_input, finite in self._passes if finite and not is_input}
        for label, is_input, finite in self._passes:
            if not finite and is_input and label in good_outputs:
                return f"layer {label}: on the way back through it"
        return "in its own formula, on the way back: every layer's output is finite"

    def _enter(self, label: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        for x in inputs:
            if isinstance(x, Tensor) and x.requires_grad:
                x.register_hook(  # type: ignore[no-untyped-call]
                    self._note(label, True)
                )

    def _leave(self, label: str, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor):
            return
        if not self._born and not _finite(output):
            given = all(_finite(x) for x in inputs if isinstance(x, Tensor))
            self._born = f"{label}: its {'output' if given else 'input'} is not finite"
        if output.requires_grad:
            output.register_hook(  # type: ignore[no-untyped-call]
                self._note(label, False)
            )

    def _note(self, label: str, is_input: bool) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            self._passes.append((label, is_input, _finite(gradient)))

        return note


def _finite(x: Tensor) -> bool:
    return bool(torch.isfinite(x).all())
