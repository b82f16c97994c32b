"""Stop the training at a gradient that is not finite."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.stability.diagnosis import diagnose
from ganatomy.errors import UserError


class NotFinite(UserError):
    """A gradient is infinite or NaN; one line names the step, the loss and the layer.

    Example:
        >>> generator = nn.Linear(1, 1)
        >>> monitor = GradientMonitor(Game(rules=None, generator=generator, discriminator=None, loss=None))
        >>> (generator(torch.ones(1, 1)) / 0).sum().backward()
        >>> monitor.observe("generator", step=3)
        Traceback (most recent call last):
        ganatomy...NotFinite: step 3: the gradient of the generator is not finite; ...
    """


class GradientMonitor:
    """Check each player's gradients before its optimizer steps.

    On a CPU a bad gradient raises at once, and the batch is run again to find where it began. Elsewhere the
    host does not wait for the device: the first bad step is kept there until `raise_if_bad`. Not for float16
    with loss scaling, which expects overflows and skips them.

    Example:
        >>> generator = nn.Linear(1, 1, bias=False)
        >>> monitor = GradientMonitor(Game(rules=None, generator=generator, discriminator=None, loss=None))
        >>> (3 * generator(torch.ones(1, 1))).sum().backward()
        >>> monitor.observe("generator", step=0)
        tensor(3.)
    """

    def __init__(self, game: Game, at_once: bool | None = None) -> None:
        self.game = game
        self.at_once = at_once
        self._steps: dict[str, Tensor] = {}
        self._flags: dict[str, Tensor] = {}
        self._names: dict[str, list[str]] = {}

    @torch.no_grad()
    def observe(self, player: str, step: int, batch: Batch | None = None) -> Tensor:
        """Check the gradients of a player.

        Args:
            player: "generator" or "discriminator".
            step: Batches done so far.
            batch: The batch, to find where a bad gradient began; None to name the layer only.

        Returns:
            Norm of all gradients, 0-dim, for clipping.

        Raises:
            NotFinite: A gradient is not finite, and the device is a CPU or `at_once` is set.
        """
        named = [(name, p.grad) for name, p in self._player(player).named_parameters() if p.grad is not None]
        if not named:
            return torch.zeros(())
        gradients: list[Tensor] = [gradient for _, gradient in named]
        norms = torch.stack(torch._foreach_norm(gradients))
        total: Tensor = torch.linalg.vector_norm(norms)
        at_once = norms.device.type == "cpu" if self.at_once is None else self.at_once
        if not at_once:
            self._remember(player, step, [name for name, _ in named], norms)
        elif not bool(total.isfinite()):
            bad = [name for name, gradient in named if not bool(gradient.isfinite().all())]
            raise NotFinite(_line(player, step, self._origin(player, step, batch, bad)))
        return total

    def raise_if_bad(self) -> None:
        """Raise NotFinite if any step so far had a bad gradient; the host waits for the device."""
        for player, first_bad in self._steps.items():
            step = int(first_bad)
            if step >= 0:
                flags = self._flags[player].tolist()
                bad = [name for name, flag in zip(self._names[player], flags, strict=True) if flag]
                raise NotFinite(_line(player, step, _layers(player, bad)))

    def _remember(self, player: str, step: int, names: list[str], norms: Tensor) -> None:
        """Keep the first step with a bad gradient and its parameters on the device."""
        bad = ~norms.isfinite()
        if self._names.get(player) != names:
            self._names[player] = names
            self._steps[player] = torch.full((), -1, device=norms.device)
            self._flags[player] = torch.zeros_like(bad)
        new = bad.any() & (self._steps[player] < 0)
        self._steps[player] = torch.where(new, step, self._steps[player])
        self._flags[player] = torch.where(new, bad, self._flags[player])

    def _origin(self, player: str, step: int, batch: Batch | None, bad: Sequence[str]) -> str:
        origin = diagnose(self.game, batch, step, player) if batch is not None else ""
        return origin or _layers(player, bad)

    def _player(self, player: str) -> torch.nn.Module:
        module = self.game.generator if player == "generator" else self.game.discriminator
        assert module is not None
        return module


def _layers(player: str, bad: Sequence[str]) -> str:
    """Name the last parameter in forward order: backward reaches it first."""
    if not bad:
        return "its norm is beyond the largest number though every single gradient is finite"
    last = bad[-1].rpartition(".")[0]
    return f"it enters at layer {player}.{last} ({len(bad)} parameters from there on back)"


def _line(player: str, step: int, origin: str) -> str:
    return (
        f"step {step}: the gradient of the {player} is not finite; {origin}; "
        "lower the learning rate, clip gradients (update.clip) or check the data of this batch"
    )
