"""A worker: takes one trial after another, runs it, and reports its result to the study."""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from types import FrameType
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ganatomy.launch.signals import SIGNALS, die_with_parent
from ganatomy.launch.train_process import TrainProcess, finished, outlive
from ganatomy.launch.warm import Client
from ganatomy.runs.directory import HEALTHY, failed_game
from ganatomy.runs.lock import InUse
from ganatomy.sweeps.objectives import second_value
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.space import suggest
from ganatomy.sweeps.study import open_storage, open_study, wanted
from ganatomy.sweeps.trial_leases import Leases

POLL = 0.1
"""Seconds between looks at a run."""


class _Stopped(Exception):
    """Signal that the sweep stops, or that the trial belongs to another worker now."""


class Worker:
    """Runs trials until none is left to take, or until it is asked to stop."""

    def __init__(self, plan: Plan, storage: BaseStorage, address: str = "") -> None:
        self.plan, self.storage, self.client = plan, storage, Client(address)
        self.leases = Leases(plan, open_study(plan, storage), storage)
        self.asked: int | None = None

    def ask(self, signum: int, frame: FrameType | None) -> None:
        self.asked = signum

    def work(self) -> int | None:
        """Run trials; return the signal that ended it, if any."""
        count = wanted(self.plan)
        while self.asked is None:
            taken = self.leases.take(count)
            if taken is not None:
                self.run(taken)
            elif self.leases.undecided(count):
                time.sleep(min(1.0, self.plan.heartbeat))
            else:
                break
        return self.asked

    def run(self, taken: FrozenTrial) -> None:
        """Run a trial to its end: a score, pruned, failed, or given back."""
        study = open_study(self.plan, self.storage, taken.number)
        trial = Trial(study, taken._trial_id)
        try:
            words = self.plan.words(suggest(trial, list(self.plan.space)))
            scores: list[float] = []
            seconds: list[float] = []
            games: list[str] = []
            for seed in self.plan.seeds:
                result = self._seed(trial, taken, words, seed)
                if isinstance(result, str):
                    self._fail(study, taken, f"seed {seed}: {result}")
                    return
                scores.append(result)
                directory = self.plan.place(taken.number) / f"seed_{seed}"
                games.append(failed_game(directory))
                if self.plan.second:
                    value = second_value(directory, self.plan.second)
                    if value is None:
                        self._fail(study, taken, f"seed {seed}: {self.plan.second} is no number in this run")
                        return
                    seconds.append(value)
                    trial.set_user_attr("second", seconds)
                trial.set_user_attr("scores", scores)
                trial.set_user_attr("game", next(filter(None, games), HEALTHY))
            objectives = [scores, *([seconds] if self.plan.second else [])]
            study.tell(taken.number, [statistics.fmean(values) for values in objectives])
        except optuna.TrialPruned:
            study.tell(taken.number, state=TrialState.PRUNED)
        except _Stopped:
            if self.leases.beat(taken, asked=self.asked):
                self.leases.give_back(taken)
        except optuna.exceptions.UpdateFinishedTrialError:  # another worker took it over and was done first
            pass

    def _fail(self, study: Study, taken: FrozenTrial, why: str) -> None:
        self.storage.set_trial_user_attr(taken._trial_id, "error", why)
        study.tell(taken.number, state=TrialState.FAIL)

    def _seed(self, trial: Trial, taken: FrozenTrial, words: list[str], seed: int) -> float | str:
        """Return the score of one seed's run, or why it failed; the first seed's scores decide on pruning."""
        if "process" in taken.user_attrs:
            outlive(taken.user_attrs["process"], self.plan.patience)
        directory = self.plan.place(taken.number) / f"seed_{seed}"
        known = finished(directory)
        if known is not None:
            return known
        try:
            own = [*words, f"seed={seed}"]
            run = TrainProcess(self.plan.launch, own, directory, self.plan.patience, self.client)
        except InUse as error:
            return str(error)
        reported = set(trial.storage.get_trial(taken._trial_id).intermediate_values)
        first = seed == self.plan.seeds[0] and not self.plan.second  # Optuna prunes by one objective alone
        try:
            owned = self.leases.beat(taken, process=run.who)
            while run.running():
                if self.asked is not None or not owned:
                    raise _Stopped
                for step, score in run.scores(self.plan.score) if first else []:
                    if step in reported:
                        continue
                    trial.report(score, step)
                    if trial.should_prune():
                        raise optuna.TrialPruned
                run.wait(POLL)
                owned = self.leases.beat(taken)
            for step, score in run.scores(self.plan.score) if first else []:
                if step not in reported:
                    trial.report(score, step)
        except BaseException:
            run.end(self.plan.patience)
            raise
        result = run.result()
        if result is None:
            raise _Stopped
        return result


def work(plan: Plan, gpus: str | None, parent: int, address: str = "") -> None:
    """Run a worker process with its own GPUs; it exits with 128 + n after signal n.

    Args:
        plan: The sweep.
        gpus: CUDA_VISIBLE_DEVICES; None leaves it.
        parent: Process whose end ends this one.
        address: Address of the server that forks the runs; empty: they start afresh.
    """
    die_with_parent(parent)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    worker = Worker(plan, open_storage(plan), address)
    for number in SIGNALS:
        signal.signal(number, worker.ask)
    signum: Any = worker.work()
    sys.exit(0 if signum is None else 128 + signum)
