"""The game: two players, what they see, what each is after. No optimiser, no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from torch import Tensor, nn

from src.adversarial.weight import Fixed, Weight
from src.errors import UserError

if TYPE_CHECKING:
    from src.adversarial.pair import AdversarialLoss
    from src.adversarial.penalty import Penalty

Output = Tensor | Mapping[str, Any] | Sequence[Any]
X = Tensor | tuple[Tensor, ...]
Batch = Any


class Rules(Protocol):
    """What a task answers, and all the game asks of it."""

    def generate(self, batch: Batch) -> Output:
        """What G makes of the batch: a tensor, or tensors in a mapping or sequence."""
        ...

    def pairs(self, batch: Batch, output: Any) -> tuple[X, X]:
        """(real, fake) as D sees them; a tuple of tensors is handed to D as its arguments, image first."""
        ...

    def task_losses(self, batch: Batch, output: Any) -> Mapping[str, Tensor]:
        """Named, already weighted scalars beside the adversarial loss; empty for none."""
        ...


class Verdict(NamedTuple):
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


def verdict(output: Any) -> Verdict:
    """Read D's output: logits; [features..., logits]; or ([logits per scale], [features per scale])."""
    if isinstance(output, Tensor):
        return Verdict([output], [[]])
    if isinstance(output, list | tuple) and output:
        if all(isinstance(entry, Tensor) for entry in output):
            return Verdict([output[-1]], [list(output[:-1])])
        if len(output) == 2 and all(isinstance(entry, list | tuple) for entry in output):
            return Verdict(list(output[0]), [list(features) for features in output[1]])
    raise UserError(
        f"discriminator: its output is a {type(output).__name__}; give logits, a list [features..., logits], "
        "or ([logits per scale], [features per scale])"
    )


@dataclass
class Game:
    """Everything a step needs, save the optimisers.

    `discriminator=None` is the supervised baseline. `penalties` and `augment` may hold state (buffers):
    whoever saves checkpoints registers them as submodules.
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
        if self.discriminator is None:
            return
        if self.loss is None:
            raise UserError("loss: a game with a discriminator needs an adversarial loss, e.g. loss=hinge")
        for penalty in self.penalties:
            penalty.prepare(self.discriminator)

    def parameters(self, player: str) -> list[nn.Parameter]:
        """The trainable parameters of "generator" or "discriminator"."""
        module = self.generator if player == "generator" else self.discriminator
        return [] if module is None else [p for p in module.parameters() if p.requires_grad]
