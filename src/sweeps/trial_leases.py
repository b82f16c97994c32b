"""Whose a trial is: taken by one worker, kept by its beats, and taken over when that worker has died."""

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

from ganatomy.launch.process_identity import alive, whoami
from ganatomy.sweeps.plan import Plan

DEATHS = 3
"""Workers that may die over one trial before it counts as failed."""


class Seen(NamedTuple):
    """The last beat of another machine's worker, since when it stands, and whether it ever moved."""

    beat: int
    since: float
    moved: bool


class Leases:
    """Takes trials for this process. A trial is taken from another only when that one is dead:

    its process is gone (same machine), or its beats have stood still for three of them (another).
    """

    def __init__(self, plan: Plan, study: Study, storage: BaseStorage) -> None:
        self.plan, self.study, self.storage = plan, study, storage
        self.me = whoami()
        self.seen: dict[int, Seen] = {}
        self.beaten = 0.0

    def take(self, count: int) -> FrozenTrial | None:
        """A trial among the first `count` that waits, or one whose worker died; None when there is none."""
        with _alone(self.plan.directory):
            for trial in self.study.get_trials(deepcopy=False)[:count]:
                if trial.state == TrialState.RUNNING and self._orphaned(trial):
                    trial = self._release(trial)
                if trial.state == TrialState.WAITING and self._take(trial):
                    return self.storage.get_trial(trial._trial_id)
        return None

    def undecided(self, count: int) -> bool:
        """Whether some worker on another machine has not shown yet that it lives."""
        return any(
            t.state == TrialState.RUNNING and not self.seen.get(t.number, Seen(0, 0.0, True)).moved
            for t in self.study.get_trials(deepcopy=False)[:count]
        )

    def beat(self, trial: FrozenTrial, **more: Any) -> bool:
        """Show that this worker lives; False when the trial is no longer its own."""
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
        """Let it wait: whoever comes next goes on with it."""
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
        seen = self.seen.get(trial.number)
        if seen is None or seen.beat != beat:
            self.seen[trial.number] = Seen(beat, time.monotonic(), seen is not None)
            return False
        return time.monotonic() - seen.since > 3 * self.plan.heartbeat

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
    """One process of a machine at a time; between machines the storage itself decides (sqlite cannot)."""
    with (directory / ".claim").open("w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
