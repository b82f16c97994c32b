"""The game: players, what D sees, and each player's losses. No optimizer, no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from ganatomy.adversarial.adversary import Adversary, build_adversaries
from ganatomy.adversarial.discriminator import X
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.losses.weighting import Fixed, Weight
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError

Output = Tensor | Mapping[str, Any] | Sequence[Any]
Batch = Any


class Rules(Protocol):
    """What a task must provide: G's output, D's inputs, and losses in addition to the adversarial one.

    Example:
        >>> class Points:
        ...     def generate(self, batch: Tensor) -> Tensor:
        ...         return generator(torch.randn(len(batch), 8))
        ...     def discriminator_inputs(self, batch: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        ...         return batch, output
        ...     def task_losses(self, batch: Tensor, output: Tensor) -> dict[str, Tensor]:
        ...         return {}
        >>> rules: Rules = Points()
    """

    def generate(self, batch: Batch) -> Output:
        """Return G's output for the batch: a tensor, or tensors in a mapping or sequence."""
        ...

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[X, X] | Mapping[str, tuple[X, X]]:
        """Return (real, fake) for D; a tuple of tensors is passed to D as its arguments, image first.

        Where there are several discriminators: (real, fake) of each, by its name.
        """
        ...

    def task_losses(self, batch: Batch, output: Any) -> Mapping[str, Tensor]:
        """Return named, already weighted scalars that are added to the adversarial loss; empty for none."""
        ...


@dataclass
class Game:
    """All that a training step needs except the optimizers.

    Several discriminators come as an `nn.ModuleDict`: loss, weight, penalties and augmentation then hold for
    each by name, D's losses are summed for one step of one optimizer, and G's adversarial losses add up.

    Attributes:
        rules: The task's part of the game.
        generator: G; `rules.generate` calls it.
        discriminator: D, several in an `nn.ModuleDict`, or None for supervised training.
        loss: Pair of adversarial losses; needed where there is a discriminator.
        weight: Weight of the adversarial loss in G's.
        feature_matching: Weight of the feature matching loss; 0 for none.
        penalties: Terms of D's loss. They may hold buffers: whoever saves checkpoints registers `state()`.
        augment: Augmentation of D's inputs, real and fake alike; it may hold buffers too.
        history: Earlier fakes from which each D learns, see `History`; 0 for none.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from ganatomy.adversarial import LOSSES, Game
        >>> class Denoising:
        ...     def generate(self, batch):
        ...         return generator(batch["image"])
        ...     def discriminator_inputs(self, batch, output):
        ...         return batch["target"], output
        ...     def task_losses(self, batch, output):
        ...         return {"l1": (output - batch["target"]).abs().mean()}
        >>> generator, discriminator = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 4, stride=2)
        >>> game = Game(Denoising(), generator, discriminator, LOSSES["hinge"]())
        >>> [parameter.numel() for parameter in game.parameters("discriminator")]
        [16, 1]
        >>> batch = {"image": torch.zeros(2, 1, 8, 8), "target": torch.ones(2, 1, 8, 8)}
        >>> real, fake = game.rules.discriminator_inputs(batch, game.rules.generate(batch))
        >>> real.shape == fake.shape
        True
    """

    rules: Rules
    generator: nn.Module
    discriminator: nn.Module | None
    loss: AdversarialLoss | None
    weight: Weight = field(default_factory=Fixed)
    feature_matching: float = 0.0
    penalties: Sequence[Penalty] = ()
    augment: nn.Module | None = None
    history: int = 0

    def __post_init__(self) -> None:
        self.adversaries: list[Adversary] = []
        if self.discriminator is None:
            return
        if self.loss is None:
            raise UserError("loss: a game with a discriminator needs an adversarial loss, e.g. loss=hinge")
        self._check_kinds()
        self.adversaries = build_adversaries(self.discriminator, self.penalties, self.augment, self.history)
        for adversary in self.adversaries:
            for penalty in adversary.penalties:
                penalty.prepare(adversary.network)

    def _check_kinds(self) -> None:
        """Raise UserError for a name or a class where an object is needed."""
        if not isinstance(self.loss, AdversarialLoss):
            raise UserError(f'loss: {self.loss!r} is not a loss; give an object, e.g. LOSSES["hinge"]()')
        if not isinstance(self.weight, Weight):
            given = repr(self.weight)
            raise UserError(f'weight: {given} is not a weight; give an object, e.g. WEIGHTS["fixed"](0.1)')
        kinds = (list, tuple, nn.ModuleList)
        if not (isinstance(self.penalties, kinds) and all(isinstance(p, Penalty) for p in self.penalties)):
            given = " ".join(repr(self.penalties).split())
            raise UserError(f'penalties: {given} is not a list of penalties; give e.g. [PENALTIES["r1"]()]')

    @property
    def discriminators(self) -> dict[str, nn.Module]:
        """Return the discriminators by name; "" is the name of a single one."""
        return {adversary.name: adversary.network for adversary in self.adversaries}

    def parameters(self, player: str) -> list[nn.Parameter]:
        """Return the trainable parameters of "generator" or "discriminator"."""
        module = self.generator if player == "generator" else self.discriminator
        return [] if module is None else [p for p in module.parameters() if p.requires_grad]

    def state(self) -> tuple[nn.Module, nn.Module | None]:
        """Return (penalties, augmentation) with their buffers; by name where there are several D."""
        if not isinstance(self.discriminator, nn.ModuleDict):
            return nn.ModuleList(self.penalties), self.augment
        penalties = {each.name: nn.ModuleList(each.penalties) for each in self.adversaries}
        augments = {each.name: each.augment for each in self.adversaries if each.augment is not None}
        return nn.ModuleDict(penalties), nn.ModuleDict(augments) if augments else None

    def remembered(self) -> nn.Module | None:
        """Return the histories of fakes; by name where there are several D, None where there are none."""
        found = {each.name: each.history for each in self.adversaries if each.history is not None}
        return found[""] if "" in found else nn.ModuleDict(found) if found else None

    def discriminator_inputs(self, batch: Batch, output: Any) -> list[tuple[Adversary, X, X]]:
        """Return (discriminator, real, fake) for each discriminator.

        Raises:
            UserError: The rules leave a discriminator out, or name one that the game does not have.
        """
        inputs = self.rules.discriminator_inputs(batch, output)
        if isinstance(inputs, Mapping):
            if set(inputs) != set(self.discriminators):
                names = ", ".join(filter(None, self.discriminators)) or "one without a name"
                raise UserError(
                    f"discriminator_inputs: {', '.join(inputs) or 'none'}, but the discriminators are "
                    f"{names}; give (real, fake) of each by its name "
                    "(model.discriminator: {a: ..., b: ...})"
                )
            return [(adversary, *inputs[adversary.name]) for adversary in self.adversaries]
        if isinstance(self.discriminator, nn.ModuleDict):
            raise UserError(
                f"discriminator_inputs: one pair for the discriminators {', '.join(self.discriminators)}; "
                "return (real, fake) of each by its name, or make model.discriminator a single network"
            )
        real, fake = inputs
        return [(self.adversaries[0], real, fake)]
