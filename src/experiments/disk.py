"""Disk space of an experiment's runs on this machine, and which of their checkpoints stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.store import done
from ganatomy.launch.many.disk import Budget
from ganatomy.runs.checkpoints.thinning import Keep


class RunDisk:
    """Disk space of the runs that have ended; those whose weights another run reads keep all checkpoints.

    Args:
        every: All runs of the experiment.
        todo: Those to train now.
        jobs: Runs at a time.
        keep: The checkpoints that stay.
        place: Folder of the run directories.
    """

    def __init__(
        self, every: Sequence[PlannedRun], todo: Sequence[PlannedRun], jobs: int, keep: Keep, place: Path
    ) -> None:
        before = [run for run in every if run not in todo and done(run.directory)]
        self.needed = {other.key for run in every for other in run.needs}
        self.budget = Budget("run", len(before) + len(todo), jobs, keep, place)
        for run in before:
            self.ended(run)

    def ended(self, run: PlannedRun) -> None:
        """Count a run that has ended, without the checkpoints that do not stay."""
        self.budget.ended(run.directory, [] if run.key in self.needed else [run.directory])

    def forecast(self) -> list[str]:
        """Return lines that say what all will take, once it is known."""
        return self.budget.forecast()

    def closing(self) -> str:
        """Return what the runs take, in a line; empty if none is here."""
        return self.budget.closing()
