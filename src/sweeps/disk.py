"""Disk space of a sweep: checkpoints of trials that ended, what all take, and what they will take."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from ganatomy.launch.many.disk import Budget
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.study import wanted


class TrialDisk:
    """Disk space of the trials whose folders are on this machine.

    A trial that waits or runs keeps all of its checkpoints, and so does one that failed.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.budget = Budget("trial", wanted(plan), plan.jobs, plan.keep, plan.directory)
        self.counted: set[int] = set()

    def look(self, trials: Sequence[FrozenTrial]) -> list[str]:
        """Count the trials that have ended since the last look; return lines for the user."""
        before = len(self.counted)
        for trial in trials:
            if not trial.state.is_finished() or trial.number in self.counted:
                continue
            self.counted.add(trial.number)
            folder = self.plan.place(trial.number)
            if trial.state == TrialState.FAIL:
                self.budget.failed(folder)
            else:
                self.budget.ended(folder, [folder / f"seed_{seed}" for seed in self.plan.seeds])
        return self.budget.forecast() if len(self.counted) > before else []

    def closing(self, trials: Sequence[FrozenTrial]) -> str:
        """Return what the trials take, in a line; empty if none is here."""
        self.look(trials)
        return self.budget.closing()
