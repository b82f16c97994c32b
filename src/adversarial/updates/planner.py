"""The planner: looks at D and the losses, and takes the cheapest update that is exact for them."""

from __future__ import annotations

from dataclasses import dataclass

from ganatomy.adversarial.game import Batch, Game
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
    """What a batch costs on average, in forward passes of each player (a backward counts one or two more)."""

    generator_forwards: float
    discriminator_forwards: float

    def __str__(self) -> str:
        return f"{self.generator_forwards:.3g} F_G + {self.discriminator_forwards:.3g} F_D a batch"


@dataclass(frozen=True)
class Plan:
    """The update that was chosen, why, and what it costs."""

    name: str
    reason: str
    cost: Cost
    update: Update

    def __str__(self) -> str:
        return f"update {self.name} ({self.cost}): {self.reason}"


def plan(
    game: Game, update: str = "auto", n_critic: int = 1, accumulate: int = 1, batch: Batch | None = None
) -> Plan:
    """Choose an update for this game. Raises UserError where pieces would change the numbers.

    update: a name of UPDATES, or "auto" for the cheapest exact one that plays G first. One that is not exact
    here gives way to the cheapest that is. batch: an example to try D on, which is known by its layers else.
    """
    if update not in (*UPDATES, "auto"):
        raise UserError(f"update: {update} is none of {', '.join((*UPDATES, 'auto'))}")
    if game.discriminator is None:
        _check_pieces(game, Traits(), accumulate)
        alone = Shared(1, accumulate)
        return Plan("supervised", "no discriminator, the task's losses alone", Cost(3, 0), alone)
    traits = traits_from_layers(game.discriminator) if batch is None else traits_from_trial(game, batch)
    _check_pieces(game, traits, accumulate)
    name, reason = _choose(game, traits, update)
    if len(game.adversaries) > 1:
        reason += f"; counted for the discriminators {', '.join(game.discriminators)}"
    together = not traits.mixes
    chosen = UPDATES[name](n_critic=n_critic, accumulate=accumulate, together=together)
    return Plan(name, reason, _cost(game, name, n_critic, accumulate), chosen)


def _choose(game: Game, traits: Traits, wanted: str) -> tuple[str, str]:
    """The name of an update, and the reason."""
    assert game.loss is not None
    if wanted == "textbook":
        return wanted, "D first, then G against the new D, as asked"
    if wanted == "g_first":
        return wanted, "G first, D asked anew for each player, as asked"
    if traits.restless:
        return "g_first", f"D has {traits.restless}, so each player is judged by passes of its own"
    against = _against_one_backward(game, traits)
    if wanted != "shared" and not against:
        return "one_backward", _why_one_backward(game)
    reason = "G first, and one D pass over each batch serves both players"
    if traits.mixes:
        reason += f"; D has {traits.mixes}, so real and fake are never joined"
    if traits.mixes.startswith("BatchNorm"):
        reason += " and its running statistics see each batch once"
    if wanted == "one_backward":
        reason += f"; one_backward is not exact: {against}"
    return "shared", reason


def _against_one_backward(game: Game, traits: Traits) -> str:
    """What keeps one backward pass from being exact, or ""."""
    assert game.loss is not None
    if game.feature_matching > 0:
        return "feature matching reaches the fake beside the logits"
    for penalty in game.penalties:
        if penalty.touches_fake:
            return f"{penalty.name} reaches the fake beside the logits"
    if game.loss.mirrored:
        return ""
    if traits.mixes:
        return f"D has {traits.mixes}"
    if traits.one_logit is None:
        return "D has not been seen to give one logit a sample"
    if not traits.one_logit:
        return "D gives several logits a sample, and the loss is not zero-sum"
    return ""


def _why_one_backward(game: Game) -> str:
    assert game.loss is not None
    if game.loss.mirrored:
        return "the losses are zero-sum, so D's gradient at the fake is minus G's"
    return "D gives one logit a sample, so G's gradient is D's times a factor; singular batches are shared"


def _cost(game: Game, name: str, n_critic: int, accumulate: int) -> Cost:
    """Forward 1, backward to inputs 1, to weights 1; penalties by the share of batches that take them.

    Each discriminator counts: a batch costs as many times as much as one alone.
    """
    assert game.loss is not None
    compares = game.loss.relative or game.feature_matching > 0
    generator = {"textbook": 3 if accumulate == 1 else 4}.get(name, 3)
    separate = 9 if compares else 8
    discriminator = {"shared": 7, "one_backward": 6}.get(name, separate)
    critic = 1 - 1 / n_critic
    penalties = sum(penalty.cost / penalty.every for penalty in game.penalties)
    each = discriminator / n_critic + 6 * critic + penalties
    return Cost(generator / n_critic + critic, len(game.adversaries) * each)


def _check_pieces(game: Game, traits: Traits, accumulate: int) -> None:
    """Refuse to split a batch that something looks at as a whole."""
    if accumulate == 1:
        return
    whole = [penalty.name for penalty in game.penalties if penalty.mixes_samples]
    if game.loss is not None and game.loss.mixes_samples:
        whole.append("a relativistic average loss")
    layers = game.discriminator.modules() if game.discriminator is not None else ()
    if any(type(layer).__name__ == "_SpectralNorm" for layer in layers):  # torch's, by parametrization
        whole.append("spectral norm, whose power iteration moves with every piece,")
    if traits.mixes:
        whole.append(f"a discriminator with {traits.mixes}")
    if traits_from_layers(game.generator).mixes:
        whole.append(f"a generator with {traits_from_layers(game.generator).mixes}")
    if whole:
        raise UserError(f"update.accumulate: {whole[0]} needs the whole batch; set update.accumulate=1")
