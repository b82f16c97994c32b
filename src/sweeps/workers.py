"""Workers of one machine: started, watched, replaced when one dies, stopped together."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganatomy.launch.many import cards
from ganatomy.launch.signals import heard_by
from ganatomy.launch.warm import Server
from ganatomy.runs.terminal import Terminal
from ganatomy.sweeps.disk import TrialDisk
from ganatomy.sweeps.objectives import heading
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.study import wanted
from ganatomy.sweeps.worker import work

LOOK = 0.5
"""Seconds between looks at the workers."""


def run(plan: Plan, study: Study) -> int | None:
    """Work until no trial is left to take; return the signal that ended it before, if any.

    A worker that dies is replaced, as often as there are workers; its successor takes up its trial.
    """
    context = multiprocessing.get_context("spawn")
    count, spare = min(plan.jobs, wanted(plan)), plan.jobs
    several = wanted(plan) * len(plan.seeds) > 1
    server = Server(safe_path="-P" in plan.launch, wanted=plan.warm and several)
    shared = cards.sharing(count, plan.devices, cards.visible(plan.launch))
    with server, _passing_on() as group, _Progress(plan, study) as progress:
        progress.print_line(shared)
        group.workers = [_start(context, plan, index, server.address) for index in range(count)]
        while any(worker.is_alive() for worker in group.workers):
            time.sleep(LOOK)
            progress.update()
            if group.asked is None:
                server.revive()
            for index, worker in enumerate(group.workers):
                if worker.exitcode not in (None, 0) and group.asked is None and spare:
                    spare -= 1
                    group.workers[index] = _start(context, plan, index, server.address)
        progress.update()
    return group.asked


def _start(context: Any, plan: Plan, index: int, address: str) -> BaseProcess:
    own = cards.share(index, plan.devices, cards.visible(plan.launch))
    process: BaseProcess = context.Process(target=work, args=(plan, own, os.getpid(), address))
    process.start()
    return process


class _Workers:
    workers: list[BaseProcess]
    asked: int | None = None


@contextlib.contextmanager
def _passing_on() -> Iterator[_Workers]:
    """Pass requests to stop on to every worker: its run writes a checkpoint, its trial is given back."""
    group = _Workers()
    group.workers = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        group.asked = signum
        for worker in group.workers:
            if worker.is_alive():
                worker.terminate()

    with heard_by(pass_on):
        try:
            yield group
        finally:
            for worker in group.workers:
                worker.join()


class _Progress:
    """Bar on a terminal, and a line for each trial that ends."""

    def __init__(self, plan: Plan, study: Study) -> None:
        self.plan, self.study, self.count = plan, study, wanted(plan)
        self.console = Terminal(stderr=True)
        done = self._trials()
        self.reported = {t.number for t in done if t.state.is_finished()}
        self.disk = TrialDisk(plan)
        if self.reported:
            self.console.print(f"{plan.study}: going on after {len(self.reported)} of {self.count} trials")
        columns = (TextColumn("[bold]sweep"), BarColumn(bar_width=28), MofNCompleteColumn())
        self.bar = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.bar.add_task("sweep", total=self.count, completed=len(self.reported), note="")

    def __enter__(self) -> _Progress:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def print_line(self, line: str) -> None:
        if line:
            self.console.print(line, soft_wrap=True)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)[: self.count]

    def update(self) -> None:
        trials = self._trials()
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self.reported:
                self.reported.add(trial.number)
                self.console.print(f"trial {trial.number}: {says(trial, self.plan)}")
        for line in self.disk.look(trials):
            self.console.print(line, soft_wrap=True)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        values = [t.values[0] for t in trials if t.state == TrialState.COMPLETE and t.values]
        best = (max if self.plan.direction == "maximize" else min)(values, default=None)
        note = f"{running} running" + ("" if best is None else f", best {self.plan.score} {best:.4g}")
        self.bar.update(self.bar.task_ids[0], completed=len(self.reported), note=note)


def says(trial: FrozenTrial, plan: Plan) -> str:
    """Return the outcome of a trial in a few words."""
    if trial.state == TrialState.COMPLETE:
        more = f", {heading(plan.second)} {trial.values[1]:.4g}" if plan.second else ""
        return f"{plan.score} {trial.values[0]:.4g}{more}"
    if trial.state == TrialState.PRUNED:
        return f"pruned after {trial.last_step} steps"
    if trial.state == TrialState.FAIL:
        return f"failed: {trial.user_attrs.get('error', 'its worker died')}"
    return trial.state.name.lower()
