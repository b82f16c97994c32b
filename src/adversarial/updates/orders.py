"""Orders of updates: how a batch becomes one step of each player.

F_G, F_D: the forward cost of each player on one batch; a backward costs one more for inputs, one for weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ganatomy.adversarial.distributed.random import Rows
from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.gradient_cut import GradientCut
from ganatomy.adversarial.updates.discriminator_phase import run_discriminator_phase
from ganatomy.adversarial.updates.generator_phase import run_generator_phase
from ganatomy.adversarial.updates.microbatches import MicroBatches, split_batch
from ganatomy.adversarial.updates.step import LastBackward, Scale, Step
from ganatomy.errors import UserError

Stepper = Callable[[str], None]


def identity(loss: Tensor) -> Tensor:
    """Return the loss unscaled."""
    return loss


class Update:
    """The game at one batch.

    Args:
        n_critic: D learns from every batch, G from every n_critic-th.
        accumulate: Micro-batches per batch; their gradients add up, then each player takes one step.
        join_real_and_fake: Penalties may run D on real and fake in one concatenated batch (the planner
            decides).

    Attributes:
        joins_players: True if one pass of D serves both players.

    Raises:
        UserError: A number is below 1.

    Example:
        >>> from types import SimpleNamespace
        >>> generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
        >>> pair = lambda batch, output: (batch, output)
        >>> rules = SimpleNamespace(generate=generator, discriminator_inputs=pair, task_losses=lambda *_: {})
        >>> game = Game(rules, generator, discriminator, LOSSES["hinge"]())
        >>> log = UPDATES["textbook"]()(game, torch.ones(4, 2), step=0, stepper=print)
        discriminator
        generator
    """

    joins_players = False

    def __init__(self, n_critic: int = 1, accumulate: int = 1, join_real_and_fake: bool = False) -> None:
        for name, value in (("n_critic", n_critic), ("accumulate", accumulate)):
            if value < 1:
                raise UserError(f"update.{name}: must be at least 1, got {value}")
        self.n_critic = n_critic
        self.accumulate = accumulate
        self.join_real_and_fake = join_real_and_fake

    def __call__(
        self,
        game: Game,
        batch: Batch,
        step: int,
        stepper: Stepper,
        scale: Scale = identity,
        rows: Sequence[Rows] | None = None,
        last_backward: LastBackward | None = None,
    ) -> dict[str, Tensor]:
        """Train the players on one batch. A player's phase leaves the other's `.grad` untouched.

        Args:
            game: The game.
            batch: What its rules take.
            step: Batches done so far.
            stepper: Called with a player's name when its gradients are complete in `.grad`. With several
                processes it must average them first.
            scale: Scales a loss before it is differentiated (float16's loss scaling).
            rows: This process's rows of each micro-batch of the global batch; None where all processes have
                equally many.
            last_backward: Context of the last backward pass into the gradients of each player that steps.

        Returns:
            Detached 0-dim tensors by name; averaged over processes they are those of the global batch.

        Raises:
            UserError: The game has a history of fakes, which this update cannot use.
        """
        if game.history and self.joins_players:
            raise UserError(
                f"history: D learns from {game.history} earlier fakes and G from its newest, so one pass "
                'of D cannot serve both; take the update of plan(game), or UPDATES["g_first"]'
            )
        micro_batches = split_batch(batch, self.accumulate, rows)
        current = Step(game, step, scale, self.join_real_and_fake, len(micro_batches), last_backward)

        def done(player: str) -> None:
            stepper(player)
            torch.clear_autocast_cache()  # its casts of the weights predate the optimizer step
            for adversary in game.adversaries if player == "discriminator" else ():
                for penalty in adversary.penalties:
                    penalty.after_step(adversary.network)

        if game.discriminator is None:
            self._supervised(current, micro_batches)
            done("generator")
        elif step % self.n_critic == self.n_critic - 1:
            self.both(current, micro_batches, done)
        else:
            self._critic(current, micro_batches)
            done("discriminator")
        for adversary in game.adversaries:
            adapt = getattr(adversary.augment, "adapt", None)
            if adapt is not None:
                current.values[adversary.label("augment", "p")] = adapt(step)
        return current.values

    def both(self, step: Step, micro_batches: MicroBatches, done: Stepper) -> None:
        """Take one step of each player.

        Args:
            step: The game at this batch, which is logged to.
            micro_batches: The batch.
            done: Called with a player's name when its gradients are complete.
        """
        raise NotImplementedError

    @staticmethod
    def _supervised(step: Step, micro_batches: MicroBatches) -> None:
        """Train G without an opponent."""
        for batch, weight in micro_batches:
            step.log(run_generator_phase(step, batch, step.generate(batch), None, weight), weight)

    @staticmethod
    def _critic(step: Step, micro_batches: MicroBatches) -> None:
        """Train D alone, on fakes without a graph."""
        for batch, weight in micro_batches:
            with torch.no_grad():
                cut = step.generate(batch)
            with parametrize.cached():
                pairs = step.discriminate_for_discriminator(batch, cut.leaves)
                step.log(run_discriminator_phase(step, pairs, weight), weight)


class Textbook(Update):
    """D first, then G against the new D; one forward of G serves both. 3F_G + 8F_D.

    Goodfellow et al., arXiv 1406.2661, algorithm 1. In micro-batches G runs twice, 4F_G + 8F_D: keeping the
    graph of each would spend the memory that they save.
    """

    def both(self, step: Step, micro_batches: MicroBatches, done: Stepper) -> None:
        kept: list[GradientCut] = []
        for batch, weight in micro_batches:
            cut = step.generate(batch)
            if len(micro_batches) == 1:
                kept.append(cut)
            with parametrize.cached():
                pairs = step.discriminate_for_discriminator(batch, cut.leaves)
                step.log(run_discriminator_phase(step, pairs, weight), weight)
        done("discriminator")
        for batch, weight in micro_batches:
            cut = kept.pop() if kept else step.generate(batch)
            with parametrize.cached():
                pairs = step.discriminate_for_generator(batch, cut.leaves)
                step.log(run_generator_phase(step, batch, cut, pairs, weight), weight)
        done("generator")


class GFirst(Update):
    """G first, then D on the same fakes, each with its own passes of D. 3F_G + 8F_D (9F_D with `needs_real`).

    `Shared` gives the same numbers; this is for a D that must run again for each player (dropout, a history
    of fakes).
    """

    def both(self, step: Step, micro_batches: MicroBatches, done: Stepper) -> None:
        for batch, weight in micro_batches:
            cut = step.generate(batch)
            with parametrize.cached():
                pairs = step.discriminate_for_generator(batch, cut.leaves)
                step.log(run_generator_phase(step, batch, cut, pairs, weight), weight)
            with parametrize.cached():
                pairs = step.discriminate_for_discriminator(batch, cut.leaves)
                step.log(run_discriminator_phase(step, pairs, weight), weight)
        done("generator")
        done("discriminator")


class Shared(Update):
    """G first, and one pass of D over each batch serves both players. 3F_G + 7F_D.

    G is updated against the D that ran on its fakes. D does not change in between, so its output is still
    valid in its own phase: exactly the numbers of `GFirst`.
    """

    joins_players = True

    def both(self, step: Step, micro_batches: MicroBatches, done: Stepper) -> None:
        for batch, weight in micro_batches:
            cut = step.generate(batch)
            with parametrize.cached():
                pairs = step.discriminate(batch, cut.leaves)
                step.log(run_generator_phase(step, batch, cut, pairs, weight, keep_graph=True), weight)
                step.log(run_discriminator_phase(step, pairs, weight), weight)
        done("generator")
        done("discriminator")
