"""Planner: choose the cheapest order of updates that is exact for this D and these losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.adversarial.updates.network_traits import Traits, traits_from_layers, traits_from_trial
from ganatomy.adversarial.updates.one_backward import OneBackward
from ganatomy.adversarial.updates.orders import GFirst, Shared, Textbook, Update
from ganatomy.errors import UserError

UPDATES: dict[str, type[Update]] = {
    "textbook": Textbook,
    "shared": Shared,
    "g_first": GFirst,
    "one_backward": OneBackward,
}


@dataclass(frozen=True)
class Cost:
    """Average cost of a batch in forward passes of each player; a backward counts as one or two more.

    Example:
        >>> print(Cost(generator_forwards=3, discriminator_forwards=7))
        3 F_G + 7 F_D a batch
    """

    generator_forwards: float
    discriminator_forwards: float

    def __str__(self) -> str:
        return f"{self.generator_forwards:.3g} F_G + {self.discriminator_forwards:.3g} F_D a batch"


@dataclass(frozen=True)
class Plan:
    """The chosen update, the reason, and its cost; `str()` gives them in one line.

    Attributes:
        name: Name of the update in `UPDATES`.
        reason: Why this one was chosen.
        cost: Passes through G and D per step.
        update: The update itself.

    Example:
        >>> print(Plan("shared", "one D pass over each batch serves both", Cost(3, 7), UPDATES["shared"]()))
        update shared (3 F_G + 7 F_D a batch): one D pass over each batch serves both
    """

    name: str
    reason: str
    cost: Cost
    update: Update

    def __str__(self) -> str:
        return f"update {self.name} ({self.cost}): {self.reason}"


def plan(
    game: Game, update: str = "auto", n_critic: int = 1, accumulate: int = 1, batch: Batch | None = None
) -> Plan:
    """Choose the update for a game.

    Args:
        game: The game.
        update: A name of UPDATES, or "auto" for the cheapest exact one that updates G first. One that is not
            exact for this game is replaced by the cheapest that is.
        n_critic: Steps of D for each step of G.
        accumulate: Micro-batches per batch.
        batch: Example batch to run D on; without one D is known by its layers only.

    Returns:
        The update with its reason and cost.

    Raises:
        UserError: An unknown name, or micro-batches would change the numbers.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from ganatomy.adversarial import LOSSES, Game, plan
        >>> class Points:
        ...     def generate(self, batch):
        ...         return generator(torch.randn(len(batch), 8))
        ...     def discriminator_inputs(self, batch, output):
        ...         return batch, output
        ...     def task_losses(self, batch, output):
        ...         return {}
        >>> generator = nn.Linear(8, 2)
        >>> discriminator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> game = Game(Points(), generator, discriminator, LOSSES["wasserstein"]())
        >>> chosen = plan(game, batch=torch.randn(4, 2))
        >>> print(chosen.name, chosen.cost)
        one_backward 3 F_G + 6 F_D a batch
        >>> names = ("generator", "discriminator")
        >>> players = {name: torch.optim.Adam(game.parameters(name)) for name in names}
        >>> def step(player):
        ...     players[player].step()
        ...     players[player].zero_grad()
        >>> log = chosen.update(game, torch.randn(4, 2), 0, step)
        >>> sorted(name for name in log if name.startswith("loss/"))[:2]
        ['loss/discriminator/adversarial', 'loss/discriminator/total']
    """
    if update not in (*UPDATES, "auto"):
        raise UserError(f"update: {update} is not one of {', '.join((*UPDATES, 'auto'))}")
    if game.discriminator is None:
        _check_accumulation(game, Traits(), accumulate)
        supervised = Shared(1, accumulate)
        return Plan("supervised", "no discriminator, the task's losses alone", Cost(3, 0), supervised)
    traits = traits_from_layers(game.discriminator) if batch is None else traits_from_trial(game, batch)
    _check_accumulation(game, traits, accumulate)
    name, reason = _choose(game, traits, update, n_critic)
    if len(game.adversaries) > 1:
        reason += f"; counted for the discriminators {', '.join(game.discriminators)}"
    join = not traits.couples_samples
    chosen = UPDATES[name](n_critic=n_critic, accumulate=accumulate, join_real_and_fake=join)
    return Plan(name, reason, _cost(game, name, n_critic, accumulate), chosen)


def _choose(game: Game, traits: Traits, wanted: str, n_critic: int) -> tuple[str, str]:
    """Return the name of an update, and the reason."""
    assert game.loss is not None
    if wanted == "textbook":
        return wanted, "D first, then G against the new D, as asked"
    if wanted == "g_first":
        return wanted, "G first, D run separately for each player, as asked"
    if traits.is_stochastic:
        return "g_first", f"D has {traits.is_stochastic}, so each player needs its own passes of D"
    if game.history:
        return (
            "g_first",
            f"D learns from {game.history} earlier fakes, so each player needs its own passes of D",
        )
    against = _reason_against_one_backward(game, traits, n_critic)
    if wanted != "shared" and not against:
        return "one_backward", _reason_for_one_backward(game, n_critic)
    reason = "G first, and one D pass over each batch serves both players"
    if traits.couples_samples:
        reason += f"; D has {traits.couples_samples}, so real and fake are never joined"
    if traits.couples_samples.startswith("BatchNorm"):
        reason += " and its running statistics see each batch once"
    if wanted == "one_backward":
        reason += f"; one_backward is not exact: {against}"
    return "shared", reason


def _reason_against_one_backward(game: Game, traits: Traits, n_critic: int) -> str:
    """Return why one backward pass would not be exact, or ""."""
    assert game.loss is not None
    if game.feature_matching > 0:
        return "feature matching adds to the gradient at the fake"
    if _shared_fraction(game, n_critic) == 1:
        return f"{_at_the_fake(game)[0].name} adds to the gradient at the fake"
    if game.loss.zero_sum:
        return ""
    if traits.couples_samples:
        return f"D has {traits.couples_samples}"
    if traits.one_logit is None:
        return "D was not run, so it is unknown whether it gives one logit a sample"
    if not traits.one_logit:
        return "D gives several logits a sample, and the loss is not zero-sum"
    return ""


def _reason_for_one_backward(game: Game, n_critic: int) -> str:
    assert game.loss is not None
    if game.loss.zero_sum:
        reason = "the losses are zero-sum, so D's gradient at the fake is minus G's"
    else:
        reason = (
            "D gives one logit a sample, so G's gradient is D's times a factor; singular batches are shared"
        )
    if _shared_fraction(game, n_critic) == 0:
        return reason
    names = " and ".join(penalty.name for penalty in _at_the_fake(game))
    return f"{reason}; those with {names} are shared"


def _at_the_fake(game: Game) -> list[Penalty]:
    """Return the penalties that add to the gradient at the fake."""
    return [penalty for penalty in game.penalties if penalty.changes_fake_gradient]


def _shared_fraction(game: Game, n_critic: int) -> float:
    """Return in how many of G's batches a penalty adds to the gradient at the fake, as a fraction."""
    penalties = _at_the_fake(game)
    period = math.lcm(n_critic, *(penalty.every for penalty in penalties))
    steps = range(n_critic - 1, period, n_critic)
    return sum(any(penalty.is_due(step) for penalty in penalties) for step in steps) / len(steps)


def _cost(game: Game, name: str, n_critic: int, accumulate: int) -> Cost:
    """Count forward 1, backward to inputs 1, to weights 1; penalties by the fraction of batches they are in.

    Each discriminator counts: n of them cost n times as much as one. So does each pass through a network of
    the generator, where the rules name several (`generator_passes`).
    """
    assert game.loss is not None
    learning, watching = getattr(game.rules, "generator_passes", (1, 1))
    compares = game.loss.needs_real or game.feature_matching > 0
    generator = {"textbook": 3 if accumulate == 1 else 4}.get(name, 3)
    separate = 9 if compares else 8
    one_backward = 6 + _shared_fraction(game, n_critic)
    discriminator = {"shared": 7, "one_backward": one_backward}.get(name, separate)
    critic = 1 - 1 / n_critic
    penalties = sum(penalty.cost / penalty.every for penalty in game.penalties)
    each = discriminator / n_critic + 6 * critic + penalties
    return Cost(learning * generator / n_critic + watching * critic, len(game.adversaries) * each)


def _check_accumulation(game: Game, traits: Traits, accumulate: int) -> None:
    """Refuse micro-batches where something depends on the whole batch."""
    if accumulate == 1:
        return
    needing = [penalty.name for penalty in game.penalties if penalty.needs_whole_batch]
    if game.loss is not None and game.loss.needs_whole_batch:
        needing.append(f"the loss {type(game.loss).__name__}")
    layers = game.discriminator.modules() if game.discriminator is not None else ()
    if any(type(layer).__name__ == "_SpectralNorm" for layer in layers):  # torch's, by parametrization
        needing.append("spectral norm, whose power iteration moves with every micro-batch,")
    if traits.couples_samples:
        needing.append(f"a discriminator with {traits.couples_samples}")
    if layer := traits_from_layers(game.generator).couples_samples:
        needing.append(f"a generator with {layer}")
    if needing:
        raise UserError(f"update.accumulate: {needing[0]} needs the whole batch; set update.accumulate=1")
