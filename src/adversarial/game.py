"""The game: its players, what they see, what each is after. No optimiser, no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from ganatomy.adversarial.adversary import Adversary, adversaries
from ganatomy.adversarial.discriminator import X
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.losses.weighting import Fixed, Weight
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError

Output = Tensor | Mapping[str, Any] | Sequence[Any]
Batch = Any


class Rules(Protocol):
    """What a task answers, and all the game asks of it."""

    def generate(self, batch: Batch) -> Output:
        """What G makes of the batch: a tensor, or tensors in a mapping or sequence."""
        ...

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[X, X] | Mapping[str, tuple[X, X]]:
        """(real, fake) as D sees them; a tuple of tensors is handed to D as its arguments, image first.

        Where there are several discriminators: (real, fake) of each, by its name.
        """
        ...

    def task_losses(self, batch: Batch, output: Any) -> Mapping[str, Tensor]:
        """Named, already weighted scalars beside the adversarial loss; empty for none."""
        ...


@dataclass
class Game:
    """Everything a step needs, save the optimisers.

    `discriminator=None` is the supervised baseline. Several discriminators come as an `nn.ModuleDict`: loss,
    weight, penalties and augmentation then hold for each by name, D's losses are summed for one step of one
    optimiser, and G's adversarial losses add up. `penalties` and `augment` may hold state (buffers): whoever
    saves checkpoints registers `state()` as submodules.
    """

    rules: Rules
    generator: nn.Module
    discriminator: nn.Module | None
    loss: AdversarialLoss | None
    weight: Weight = field(default_factory=Fixed)
    feature_matching: float = 0.0
    penalties: Sequence[Penalty] = ()
    augment: nn.Module | None = None

    def __post_init__(self) -> None:
        self.adversaries: list[Adversary] = []
        if self.discriminator is None:
            return
        if self.loss is None:
            raise UserError("loss: a game with a discriminator needs an adversarial loss, e.g. loss=hinge")
        self.adversaries = adversaries(self.discriminator, self.penalties, self.augment)
        for adversary in self.adversaries:
            for penalty in adversary.penalties:
                penalty.prepare(adversary.network)

    @property
    def discriminators(self) -> dict[str, nn.Module]:
        """The discriminators by name; "" is the name of a single one."""
        return {adversary.name: adversary.network for adversary in self.adversaries}

    def parameters(self, player: str) -> list[nn.Parameter]:
        """The trainable parameters of "generator" or "discriminator"."""
        module = self.generator if player == "generator" else self.discriminator
        return [] if module is None else [p for p in module.parameters() if p.requires_grad]

    def state(self) -> tuple[nn.Module, nn.Module | None]:
        """(penalties, augmentation) with what they remember; by name where there are several of D."""
        if not isinstance(self.discriminator, nn.ModuleDict):
            return nn.ModuleList(self.penalties), self.augment
        penalties = {each.name: nn.ModuleList(each.penalties) for each in self.adversaries}
        augments = {each.name: each.augment for each in self.adversaries if each.augment is not None}
        return nn.ModuleDict(penalties), nn.ModuleDict(augments) if augments else None

    def shown(self, batch: Batch, output: Any) -> list[tuple[Adversary, X, X]]:
        """(discriminator, real, fake) of each discriminator, as the rules give them.

        Raises:
            UserError: The rules leave a discriminator out, or name one that the game does not have.
        """
        given = self.rules.discriminator_inputs(batch, output)
        if isinstance(given, Mapping):
            if set(given) != set(self.discriminators):
                names = ", ".join(filter(None, self.discriminators)) or "one without a name"
                raise UserError(
                    f"pairs: {', '.join(given) or 'none'}, but the discriminators are {names}; give "
                    "(real, fake) of each by its name (model.discriminator: {a: ..., b: ...})"
                )
            return [(adversary, *given[adversary.name]) for adversary in self.adversaries]
        if isinstance(self.discriminator, nn.ModuleDict):
            raise UserError(
                f"pairs: one pair for the discriminators {', '.join(self.discriminators)}; the task must "
                "give (real, fake) of each by its name, or model.discriminator be a single network"
            )
        real, fake = given
        return [(self.adversaries[0], real, fake)]
