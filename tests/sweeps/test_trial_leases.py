"""A trial has one worker, keeps it while that one lives, and finds another when it has died."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.study import open_storage, open_study, prepare
from ganatomy.sweeps.trial_leases import Leases, alive, whoami


@pytest.fixture
def leases(plan: Callable[..., Plan]) -> Callable[..., Leases]:
    """A worker's view of one study of six trials, with a storage object of its own."""
    kept: dict[str, Plan] = {}

    def of(**more: Any) -> Leases:
        if "plan" not in kept:
            kept["plan"] = plan(trials=6, **more)
            prepare(kept["plan"])
        storage = open_storage(kept["plan"])
        return Leases(kept["plan"], open_study(kept["plan"], storage), storage)

    return of


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_no_trial_is_taken_twice(kind: str, leases: Callable[..., Leases], tmp_path: Path) -> None:
    workers = [leases(storage=f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else None) for _ in range(4)]
    taken: list[int] = []

    def work(worker: Leases) -> None:
        while (trial := worker.take(6)) is not None:
            taken.append(trial.number)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(range(6))


def test_a_dead_workers_trial_is_taken_over_and_a_living_ones_is_not(leases: Callable[..., Leases]) -> None:
    first, second = leases(), leases()
    with subprocess.Popen(["sleep", "60"]) as other:
        first.me = whoami(other.pid)
        trial = first.take(1)
        assert trial is not None and second.take(1) is None and alive(first.me)
        other.kill()
    assert not alive(first.me)
    again = second.take(1)
    assert again is not None and again.number == trial.number
    assert not first.beat(trial, asked=1), "the old one has lost it"
    assert second.beat(again, asked=1)


def test_a_reused_process_id_is_another_process() -> None:
    host, pid, begun = whoami().split(" ")
    assert alive(f"{host} {pid} {begun}") and not alive(f"{host} {pid} {int(begun) + 1}")
    assert alive(f"elsewhere {pid} {begun}") is None


def test_another_machine_is_judged_by_its_beats(leases: Callable[..., Leases]) -> None:
    there, here = leases(heartbeat=0.2), leases()
    there.me = "elsewhere 1 1"
    trial = there.take(1)
    assert trial is not None and here.take(1) is None and here.undecided(1)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:  # longer than three beats
        assert there.beat(trial)
        assert here.take(1) is None
        time.sleep(0.02)
    assert not here.undecided(1)
    time.sleep(0.7)  # silence
    again = here.take(1)
    assert again is not None and again.number == trial.number


def test_a_trial_over_which_three_workers_died_has_failed(leases: Callable[..., Leases]) -> None:
    worker = leases()
    for _ in range(3):
        worker.me = f"{whoami().split(' ')[0]} 999999999 1"
        trial = worker.take(1)
        assert trial is not None
    assert worker.take(1) is None
    frozen = worker.storage.get_trial(trial._trial_id)
    assert frozen.state == TrialState.FAIL and frozen.user_attrs["error"] == "its worker died 3 times"
