"""Gradients that are not finite stop the training, before they reach the weights where that costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.stability.diagnosis import diagnose
from ganatomy.errors import UserError


class NotFinite(UserError):
    """A gradient is infinite or not a number; one line says at which step, in which loss and layer."""


class GradientMonitor:
    """Looks at each player's gradients before its optimiser steps.

    On the CPU a bad gradient raises there and then, and the batch is played again to find where it began.
    Elsewhere the host does not wait for the device: the first bad step is kept on it until `check`.
    Not for float16 with loss scaling, which expects overflows and skips them.
    """

    def __init__(self, game: Game, at_once: bool | None = None) -> None:
        self.game = game
        self.at_once = at_once
        self._steps: dict[str, Tensor] = {}
        self._flags: dict[str, Tensor] = {}
        self._names: dict[str, list[str]] = {}

    @torch.no_grad()
    def look(self, player: str, step: int, batch: Batch | None = None) -> Tensor:
        """Norm of all gradients of the player, 0-dim, as clipping wants it. Raises NotFinite if at once."""
        named = [(name, p.grad) for name, p in self._player(player).named_parameters() if p.grad is not None]
        if not named:
            return torch.zeros(())
        gradients: list[Tensor] = [gradient for _, gradient in named]
        norms = torch.stack(torch._foreach_norm(gradients))
        total: Tensor = torch.linalg.vector_norm(norms)
        at_once = norms.device.type == "cpu" if self.at_once is None else self.at_once
        if not at_once:
            self._keep(player, step, [name for name, _ in named], norms)
        elif not bool(total.isfinite()):
            bad = [name for name, gradient in named if not bool(gradient.isfinite().all())]
            raise NotFinite(_line(player, step, self._origin(player, step, batch, bad)))
        return total

    def check(self) -> None:
        """Raise NotFinite if any step so far had a bad gradient; the host waits for the device."""
        for player, first in self._steps.items():
            step = int(first)
            if step >= 0:
                flags = self._flags[player].tolist()
                bad = [name for name, flag in zip(self._names[player], flags, strict=True) if flag]
                raise NotFinite(_line(player, step, _layers(player, bad)))

    def _keep(self, player: str, step: int, names: list[str], norms: Tensor) -> None:
        """Remember the first step with a bad gradient, and whose; on the device."""
        bad = ~norms.isfinite()
        if self._names.get(player) != names:
            self._names[player] = names
            self._steps[player] = torch.full((), -1, device=norms.device)
            self._flags[player] = torch.zeros_like(bad)
        new = bad.any() & (self._steps[player] < 0)
        self._steps[player] = torch.where(new, step, self._steps[player])
        self._flags[player] = torch.where(new, bad, self._flags[player])

    def _origin(self, player: str, step: int, batch: Batch | None, bad: Sequence[str]) -> str:
        found = diagnose(self.game, batch, step, player) if batch is not None else ""
        return found or _layers(player, bad)

    def _player(self, player: str) -> torch.nn.Module:
        module = self.game.generator if player == "generator" else self.game.discriminator
        assert module is not None
        return module


def _layers(player: str, bad: Sequence[str]) -> str:
    """The last parameter on the way forward is the first that the gradient meets on its way back."""
    last = bad[-1].rpartition(".")[0] if bad else "?"
    return f"it enters at layer {player}.{last} ({len(bad)} parameters from there on back)"


def _line(player: str, step: int, origin: str) -> str:
    return (
        f"step {step}: the gradient of the {player} is not finite; {origin}; "
        "lower the learning rate, clip gradients (update.clip) or check the data of this batch"
    )
