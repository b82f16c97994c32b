"""The whole command: trials that fail, are killed or pruned, a dead worker, a stop and a second start."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from PIL import Image

from tests.conftest import TINY
from tests.sweeps.conftest import SPACE, STUB, own, plot, start, wait_for

SPACE_OF_ONE = {"model.optimizer.generator.lr": [1.0e-2]}
FATES = {"t3": "fail", "t5": "killed", "t7": "poor", "t9": "hang", "t10": "hang"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "postgresql"])
def test_twelve_trials_on_two_workers_stopped_and_started_again(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = [
        *own(tmp_path, study="twelve", space=SPACE, pruner={"name": "median", "n_startup_trials": 2}),
        "trials=12",
        "jobs=2",
        "keep=none",
        f"launch={sys.executable} {STUB}",
        "logger=csv",
    ]
    if kind == "postgresql":
        words.append(f"storage='{request.getfixturevalue('postgresql')}'")
    directory = tmp_path / "runs/sweeps/twelve"
    plot(directory, **FATES)

    first = start(tmp_path, *words)
    last_two = [directory / f"trials/{number:04d}/seed_0/metrics.csv" for number in (9, 10)]
    wait_for(lambda: all(path.exists() for path in last_two) or first.poll() is not None)
    trials_now = stored(directory, words)
    os.kill(int(trials_now()[9].user_attrs["owner"].split()[1]), signal.SIGKILL)  # a worker, not its run
    wait_for(lambda: trials_now()[9].state.is_finished())
    first.send_signal(signal.SIGTERM)
    printed, said = first.communicate(timeout=300)
    assert first.returncode == 128 + signal.SIGTERM, said
    assert "start the same command again" in printed
    before = rows(directory)
    assert (before["9"]["state"], before["10"]["state"]) == ("complete", "waiting")
    assert (directory / "trials/0010/seed_0/checkpoints/last.ckpt").is_file()  # what it goes on from

    second = start(tmp_path, *words)
    printed, said = second.communicate(timeout=300)
    assert second.returncode == 0, said
    assert re.search("going on after 1[01] of 12 trials", said)

    trials = rows(directory)
    assert list(trials) == [str(number) for number in range(12)]
    states = {number: row["state"] for number, row in trials.items()}
    expected = dict.fromkeys(states, "complete") | {"3": "fail", "5": "fail", "7": "pruned"}
    assert states == expected
    assert "data.root: there is no such folder" in trials["3"]["error"] and "SIGKILL" in trials["5"]["error"]
    assert "data.root: there is no such folder" in printed
    for number in range(12):  # nothing ran twice; what had lost its worker went on from its checkpoint
        starts = (directory / f"trials/{number:04d}/seed_0/starts").read_text().splitlines()
        assert len(starts) in {9: [2], 10: [2], 11: [1, 2]}.get(number, [1]), number  # 11: if stopped
        assert len(starts) == 1 or number == 11 or re.match(r'\["resume=', starts[1])

    assert not list(directory.glob("trials/*/seed_0/checkpoints/*.ckpt"))
    assert (directory / "trials/0010/seed_0/checkpoints/removed.txt").read_text().startswith("last.ckpt\n")
    assert re.search(r"^disk: 12 trials, \d+ [kM]B \(keep=none\)$", printed, re.M)
    assert re.search(r"^disk: each trial takes \d+ kB, 12 take \d+ [kM]B; .* are free$", said, re.M)

    done = {number: float(row["score"]) for number, row in trials.items() if row["state"] == "complete"}
    best = max(done, key=lambda number: done[number])
    assert re.search(rf"^ +{best} ", printed, re.M)
    file = yaml.safe_load((directory / "experiment/best.yaml").read_text())
    lr = float(trials[best]["model.optimizer.generator.lr"])
    assert file["model"]["optimizer"]["generator"]["lr"] == lr
    for name in ("history", "importance", "parallel"):
        assert np_std(directory / f"{name}.png") > 5
    if kind == "postgresql":
        assert not (directory / "journal.log").exists()
        (study,) = optuna.get_all_study_summaries(storage=request.getfixturevalue("postgresql"))
        assert study.n_trials == 12


def stored(directory: Path, words: list[str]) -> Callable[[], list[FrozenTrial]]:
    """The trials as they stand on the storage now."""
    given = [word.partition("=")[2].strip("'") for word in words if word.startswith("storage=")]
    journal = JournalStorage(JournalFileBackend(str(directory / "journal.log"))) if not given else None
    study = optuna.load_study(study_name="twelve", storage=journal or given[0])
    return study.get_trials


def rows(directory: Path) -> dict[str, dict[str, str]]:
    with (directory / "trials.csv").open(newline="") as file:
        return {row["trial"]: row for row in csv.DictReader(file)}


def np_std(path: Path) -> float:
    import numpy as np

    return float(np.asarray(Image.open(path).convert("L"), dtype=float).std())


@pytest.mark.slow
def test_a_real_run_and_the_same_again_from_the_file_of_the_best(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """Through `python -m src.train`, on a space of the user's own."""
    words = own(tmp_path, study="mine", train=list(TINY), space=SPACE_OF_ONE, sampler={"name": "grid"})
    done = command(*words, "pruner.name=none", module="src.sweep")
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "runs/sweeps/mine"
    trials = rows(directory)
    assert [row["state"] for row in trials.values()] == ["complete"]
    best = max(trials.values(), key=lambda row: float(row["score"]))
    again = command("--config-dir", str(directory), "experiment=best", "run_dir=again")
    assert again.returncode == 0, again.stderr
    status = json.loads((tmp_path / "again/status.json").read_text())
    assert status["best"]["score"] == float(best["score"])
