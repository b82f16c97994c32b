"""Leases of trials: taken by one worker, kept by its heartbeats, taken over when that worker has died."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ganatomy.runs.process_identity import alive, whoami
from ganatomy.sweeps.plan import Plan

DEATHS = 3
"""Workers that may die in one trial before it counts as failed."""


class LastBeat(NamedTuple):
    """Last heartbeat of a worker on another machine, when it was first read, and if it ever moved."""

    beat: int
    since: float
    moved: bool


class Leases:
    """Leases that this process takes on trials.

    A trial is taken from another worker only when that one is dead: its process is gone (same machine), or
    its heartbeat stood still for three intervals (another machine).
    """

    def __init__(self, plan: Plan, study: Study, storage: BaseStorage) -> None:
        self.plan, self.study, self.storage = plan, study, storage
        self.me = whoami()
        self.last_beats: dict[int, LastBeat] = {}
        self.beaten = 0.0

    def take(self, count: int) -> FrozenTrial | None:
        """Take a trial among the first `count` that waits, or whose worker died; None if there is none."""
        with _alone(self.plan.directory):
            for trial in self.study.get_trials(deepcopy=False)[:count]:
                if trial.state == TrialState.RUNNING and self._orphaned(trial):
                    trial = self._release(trial)
                if trial.state == TrialState.WAITING and self._take(trial):
                    return self.storage.get_trial(trial._trial_id)
        return None

    def undecided(self, count: int) -> bool:
        """Return True while a worker on another machine has not shown yet that it lives."""
        return any(
            t.state == TrialState.RUNNING and not self.last_beats.get(t.number, LastBeat(0, 0.0, True)).moved
            for t in self.study.get_trials(deepcopy=False)[:count]
        )

    def beat(self, trial: FrozenTrial, **more: Any) -> bool:
        """Write a heartbeat; return False if the trial belongs to another worker now."""
        if more or time.monotonic() - self.beaten > self.plan.heartbeat:
            self.beaten = time.monotonic()
            now = self.storage.get_trial(trial._trial_id)
            if now.user_attrs.get("owner") != self.me or now.state != TrialState.RUNNING:
                return False
            beat = now.user_attrs.get("beat", 0) + 1
            for key, value in {"beat": beat, **more}.items():
                self.storage.set_trial_user_attr(trial._trial_id, key, value)
        return True

    def give_back(self, trial: FrozenTrial) -> None:
        """Set the trial to waiting, for the next worker to go on with it."""
        self.storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)

    def _take(self, trial: FrozenTrial) -> bool:
        if not self.storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
            return False
        self.storage.set_trial_user_attr(trial._trial_id, "owner", self.me)
        self.beaten = time.monotonic()
        return True

    def _orphaned(self, trial: FrozenTrial) -> bool:
        owner, beat = trial.user_attrs.get("owner"), trial.user_attrs.get("beat", 0)
        lives = alive(owner) if owner else None
        if lives is not None:
            return not lives
        last = self.last_beats.get(trial.number)
        if last is None or last.beat != beat:
            self.last_beats[trial.number] = LastBeat(beat, time.monotonic(), last is not None)
            return False
        return time.monotonic() - last.since > 3 * self.plan.heartbeat

    def _release(self, trial: FrozenTrial) -> FrozenTrial:
        deaths = trial.user_attrs.get("deaths", 0) + 1
        self.storage.set_trial_user_attr(trial._trial_id, "deaths", deaths)
        if deaths >= DEATHS:
            why = f"its worker died {deaths} times"
            self.storage.set_trial_user_attr(trial._trial_id, "error", why)
            self.storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
        else:
            self.give_back(trial)
        return self.storage.get_trial(trial._trial_id)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold a lock among the processes of this machine; between machines the storage decides."""
    with (directory / ".claim").open("w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
