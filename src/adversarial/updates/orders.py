"""How a batch becomes one step of each player.

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
from ganatomy.adversarial.updates.discriminator_phase import teach_discriminator
from ganatomy.adversarial.updates.generator_phase import teach_generator
from ganatomy.adversarial.updates.microbatches import MicroBatches, split_batch
from ganatomy.adversarial.updates.step import Scale, Step
from ganatomy.errors import UserError

Stepper = Callable[[str], None]


def identity(loss: Tensor) -> Tensor:
    """No scaling."""
    return loss


class Update:
    """One batch's worth of the game.

    n_critic: D learns from every batch, G from every n_critic-th.
    accumulate: pieces a batch is worked through in; their gradients add up, then each player takes one step.
    together: penalties may show D real and fake in one concatenated batch (the planner knows).
    """

    def __init__(self, n_critic: int = 1, accumulate: int = 1, together: bool = False) -> None:
        for name, value in (("n_critic", n_critic), ("accumulate", accumulate)):
            if value < 1:
                raise UserError(f"update.{name}: {value} must be at least 1")
        self.n_critic = n_critic
        self.accumulate = accumulate
        self.together = together

    def __call__(
        self,
        game: Game,
        batch: Batch,
        step: int,
        stepper: Stepper,
        scale: Scale = identity,
        rows: Sequence[Rows] | None = None,
    ) -> dict[str, Tensor]:
        """Play one batch; `stepper(player)` is called when that player's gradients are complete in `.grad`.

        step: batches done so far. scale: scales a loss before it is differentiated (float16's loss scaling).
        rows: what of each piece of the global batch is here, where processes have not as many each. The
        stepper averages `.grad` over processes; averaged likewise, what is returned is of the global batch.
        Returns detached 0-dim tensors by name. A player's phase leaves the other's `.grad` untouched.
        """
        turn = Step(game, step, scale, self.together)
        parts = split_batch(batch, self.accumulate, rows)

        def done(player: str) -> None:
            stepper(player)
            torch.clear_autocast_cache()  # its casts of the weights are of before the step
            for adversary in game.adversaries if player == "discriminator" else ():
                for penalty in adversary.penalties:
                    penalty.after_step(adversary.network)

        if game.discriminator is None:
            self._alone(turn, parts)
            done("generator")
        elif step % self.n_critic == self.n_critic - 1:
            self.both(turn, parts, done)
        else:
            self._critic(turn, parts)
            done("discriminator")
        for adversary in game.adversaries:
            adapt = getattr(adversary.augment, "adapt", None)
            if adapt is not None:
                turn.log[adversary.label("augment", "p")] = adapt(step)
        return turn.log

    def both(self, turn: Step, parts: MicroBatches, done: Stepper) -> None:
        """One step of each player."""
        raise NotImplementedError

    @staticmethod
    def _alone(turn: Step, parts: MicroBatches) -> None:
        """The supervised baseline: no opponent."""
        for batch, share in parts:
            teach_generator(turn, batch, turn.make(batch), None, share)

    @staticmethod
    def _critic(turn: Step, parts: MicroBatches) -> None:
        """A step of D alone, on fakes without a graph."""
        for batch, share in parts:
            with torch.no_grad():
                cut = turn.make(batch)
            with parametrize.cached():
                teach_discriminator(turn, turn.show(batch, cut.leaves), share)


class Textbook(Update):
    """D first, then G against the new D; one forward of G serves both. 3F_G + 8F_D.

    Goodfellow et al., arXiv 1406.2661, algorithm 1. In pieces G runs twice, 4F_G + 8F_D: keeping every
    piece's graph would spend the memory that pieces save.
    """

    def both(self, turn: Step, parts: MicroBatches, done: Stepper) -> None:
        made: list[GradientCut] = []
        for batch, share in parts:
            cut = turn.make(batch)
            if len(parts) == 1:
                made.append(cut)
            with parametrize.cached():
                teach_discriminator(turn, turn.show(batch, cut.leaves), share)
        done("discriminator")
        for batch, share in parts:
            cut = made.pop() if made else turn.make(batch)
            with parametrize.cached():
                teach_generator(turn, batch, cut, turn.show_generator(batch, cut.leaves), share)
        done("generator")


class GFirst(Update):
    """G first, then D on the same fakes, each with D passes of its own. 3F_G + 8F_D; relative losses 9F_D.

    What `Shared` equals, and what stands in where D must be asked anew for each player (dropout).
    """

    def both(self, turn: Step, parts: MicroBatches, done: Stepper) -> None:
        for batch, share in parts:
            cut = turn.make(batch)
            with parametrize.cached():
                teach_generator(turn, batch, cut, turn.show_generator(batch, cut.leaves), share)
            with parametrize.cached():
                teach_discriminator(turn, turn.show(batch, cut.leaves), share)
        done("generator")
        done("discriminator")


class Shared(Update):
    """G first, and one D pass over each batch serves both players. 3F_G + 7F_D.

    G is updated against the D that has just judged its fakes; D has not moved in between, so its verdict
    still stands when its own turn comes. Exactly the numbers of `GFirst`.
    """

    def both(self, turn: Step, parts: MicroBatches, done: Stepper) -> None:
        for batch, share in parts:
            cut = turn.make(batch)
            with parametrize.cached():
                shown = turn.show(batch, cut.leaves)
                teach_generator(turn, batch, cut, shown, share, keep=True)
                teach_discriminator(turn, shown, share)
        done("generator")
        done("discriminator")
