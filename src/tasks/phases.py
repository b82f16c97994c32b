"""Runs of several phases: what is trained in each, and what a phase hands on to the next."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial import Game, Rules, plan
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.base import AdversarialTask


class Best(nn.Module):
    """Frozen copies of modules at the lowest score so far, and the number of the phase.

    All of it is in the state dict, so a resumed run hands on the same weights as an uninterrupted one.
    """

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        copies = {name: copy.deepcopy(module).requires_grad_(False) for name, module in modules.items()}
        self.kept = nn.ModuleDict(copies)
        self.score, self.step, self.phase = float("nan"), 0, 0

    def offer(self, score: float, step: int, **modules: nn.Module) -> None:
        """Keep a copy of these modules if the score is lower than the one kept; NaN never is.

        Args:
            score: Score to minimise.
            step: Batches done.
            **modules: Modules by the names given to the constructor.
        """
        if isnan(score) or score >= self.score:
            return
        self.score, self.step = score, step
        for name, module in modules.items():
            self.kept[name].load_state_dict(module.state_dict())

    def hand_on(self, **modules: nn.Module) -> None:
        """Load the kept weights into these modules."""
        for name, module in modules.items():
            module.load_state_dict(self.kept[name].state_dict())

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.score, self.step, self.phase], dtype=torch.float64)

    def set_extra_state(self, state: Any) -> None:
        score, step, phase = state.tolist()
        self.score, self.step, self.phase = score, int(step), int(phase)


@dataclass(frozen=True)
class Phase:
    """One phase of a run.

    Attributes:
        rules: What is learned: the hooks of the task in this phase.
        game: The players, what each sees and what each is after.
        stepping_optimizer: For each player of the game, the name of the optimiser that steps.
        until: Number of batches, counted from the start of the run, after which the phase ends; None for the
            last phase.
        from_noise: True if the generator makes images from noise.
        begin: Called once when the phase begins, with the best of the phases before and the number of batches
            done.
    """

    rules: Rules
    game: Game
    stepping_optimizer: dict[str, str]
    until: int | None = None
    from_noise: bool = False
    begin: Callable[[Best, int], None] = lambda best, step: None


class Phased(AdversarialTask):
    """A task whose run has several phases, each with its own game and rules.

    `global_step` still counts batches: in every phase one optimiser steps in every batch.
    """

    def plan_phases(self, phases: list[Phase], **kept: nn.Module) -> None:
        """Set the phases, in order, and the modules whose best weights are handed on."""
        self.phases, self.playing = phases, 0
        self.best = Best(**kept) if kept else None

    @property
    def number(self) -> int:
        """Return the index of the current phase."""
        return self.best.phase if self.best is not None else 0

    @property
    def preparing(self) -> bool:
        """Return True before the last phase, when there is no result to score yet."""
        return self.number < len(self.phases) - 1

    @property
    def from_noise(self) -> bool:  # type: ignore[override]
        """Return True while images are made from noise."""
        return self.phases[self.number].from_noise

    def offer(self, score: float, **modules: nn.Module) -> None:
        """Report a validation score of this phase; the next phase starts from the lowest."""
        if self.best is not None:
            self.best.offer(score, self.batches_done, **modules)

    def on_fit_start(self) -> None:
        planned = [phase.until for phase in self.phases if phase.until is not None]
        if planned and planned[-1] >= self.trainer.max_steps:
            raise UserError(
                f"trainer.max_steps: {self.trainer.max_steps}; must be above {planned[-1]}, the steps of the "
                "phases before the last"
            )

    def training_step(self, batch: Batch, index: int) -> None:
        until = self.phases[self.number].until
        if until is not None and self.batches_done >= until and self.best is not None:
            self.phases[self.number + 1].begin(self.best, self.batches_done)
            self.best.phase += 1
            self.record({"phase": self.number, "phase/best_step": self.best.step})
        if self.playing != self.number:
            self._play(self.number)
        super().training_step(batch, index)

    def _play(self, number: int) -> None:
        """Switch to the game of a phase, after a last check of the gradients of the one before."""
        self.check_finite()
        phase, self.playing = self.phases[number], number
        first = number == 0  # its update was planned on the data before training
        update = self.update if first else plan(phase.game, accumulate=self.update.accumulate).update
        self.begin_game(phase.game, phase.stepping_optimizer, update)

    def generate(self, batch: Batch) -> Any:
        return self.phases[self.number].rules.generate(batch)

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        return self.phases[self.number].rules.discriminator_inputs(batch, output)

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        return dict(self.phases[self.number].rules.task_losses(batch, output))
