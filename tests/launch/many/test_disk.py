"""Disk space of many runs, beside `du`, and runs whose checkpoints were removed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ganatomy.errors import UserError
from ganatomy.experiments.disk import RunDisk
from ganatomy.experiments.plan import PlannedRun
from ganatomy.launch.many import disk
from ganatomy.runs.checkpoints.thinning import NOTE, Keep, removed, thin
from ganatomy.runs.directory import open_again
from ganatomy.runs.integrity.restore import restore
from ganatomy.sweeps.disk import TrialDisk

ALL = ["best.ckpt", "last-1.ckpt", "last-2.ckpt", "last.ckpt"]


def made(folder: Path, *names: str, size: int = 4096) -> Path:
    """Make a run directory with these checkpoints, and weights that stay."""
    (folder / "checkpoints").mkdir(parents=True)
    for name in names or ALL:
        (folder / "checkpoints" / name).write_bytes(bytes(size))
    (folder / "generator.safetensors").write_bytes(bytes(size))
    return folder


def left(run: Path) -> list[str]:
    assert (run / "generator.safetensors").is_file()
    return sorted(path.name for path in (run / "checkpoints").glob("*.ckpt"))


@pytest.mark.parametrize(
    ("keep", "names", "stays"),
    [
        ("all", ALL, ALL),
        ("best", ALL, ["best.ckpt"]),
        ("last", ALL, ["last.ckpt"]),
        ("none", ALL, []),
        ("best", ["last-1.ckpt", "last.ckpt"], ["last.ckpt"]),  # no score was ever defined
    ],
)
def test_what_stays(keep: Keep, names: list[str], stays: list[str], tmp_path: Path) -> None:
    run = made(tmp_path / "run", *names)
    for _ in range(2):  # a second look changes nothing
        thin(run, keep)
        assert left(run) == stays
        assert sorted(filter(None, removed(run / "checkpoints").split(", "))) == sorted({*names} - {*stays})
    thin(run, "none")
    assert left(run) == []


def test_a_run_that_another_process_writes_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ganatomy.runs.checkpoints.thinning.in_use", lambda run: "is in use by process 1")
    thin(run := made(tmp_path / "run"), "none")
    assert left(run) == ALL and not (run / "checkpoints" / NOTE).exists()


def test_the_size_is_that_of_du(tmp_path: Path) -> None:
    run = made(tmp_path / "run", size=70_001)
    (run / "link").symlink_to(tmp_path)
    (run / "empty").touch()
    told = int(subprocess.run(["du", "-s", "-B1", run], capture_output=True, text=True).stdout.split()[0])
    folders = sum(path.stat().st_blocks * 512 for path in (run,))  # `du` counts the folder itself, too
    assert disk.taken(run) + folders == told


def test_forecast_and_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each has 5 files of 1 MB while it runs and 2 afterwards; 3 run at a time."""
    free = SimpleNamespace(free=12_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    budget = disk.Budget("trial", 500, 3, "best", tmp_path)
    assert budget.forecast() == [] and budget.closing() == ""
    first = made(tmp_path / "0", size=1_000_000)
    budget.ended(first, [first])
    assert budget.forecast() == ["disk: each trial takes 2.0 MB, 500 take 1.0 GB; 12 GB are free"]
    free.free = 1_008_000_000  # 499 x 2 MB, and 3 x 3 MB of those that run
    second = made(tmp_path / "1", size=1_000_000)
    budget.ended(second, [second])
    (line,) = budget.forecast()
    assert line.startswith("warning: 1.0 GB are needed for the 498 trials to come")
    assert "has 1.0 GB free; make room" in line and "keep=" not in line
    assert budget.forecast() == []
    budget.ended(tmp_path / "elsewhere", [tmp_path / "elsewhere"])
    budget.failed(made(tmp_path / "2", "last.ckpt", size=1_000_000))
    assert budget.closing() == "disk: 3 trials, 6.0 MB (keep=best)" and left(tmp_path / "2") == ["last.ckpt"]


def test_only_trials_that_have_ended_lose_checkpoints(tmp_path: Path) -> None:
    place = lambda number: tmp_path / "trials" / f"{number:04d}"  # noqa: E731
    plan: Any = SimpleNamespace(
        directory=tmp_path, place=place, keep="none", jobs=1, seeds=(0, 1), trials=9, sampler={"name": "tpe"}
    )
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING, TrialState.RUNNING]
    trials = []
    for number, state in enumerate(states):
        trial = optuna.trial.create_trial(
            state=state, value=0.5 if state == TrialState.COMPLETE else None, intermediate_values={4: 0.5}
        )
        trial.number = number
        trials.append(trial)
        for seed in (0, 1):
            made(place(number) / f"seed_{seed}")
    found = TrialDisk(plan)
    (line,) = found.look(trials)
    assert line.startswith("disk: each trial takes ") and found.look(trials) == []
    for number, state in enumerate(states):
        gone = state in (TrialState.COMPLETE, TrialState.PRUNED)
        assert [left(place(number) / f"seed_{seed}") for seed in (0, 1)] == [[] if gone else ALL] * 2
    assert found.closing(trials).startswith("disk: 3 trials, ")


def test_a_run_of_an_experiment_that_another_reads_keeps_its_checkpoints(tmp_path: Path) -> None:
    first = PlannedRun("first", 0, (), "", "", made(tmp_path / "first"))
    second = PlannedRun("second", 0, (), "", "", made(tmp_path / "second"), (first,))
    for run in (first, second):
        (run.directory / "status.json").write_text('{"status": "done"}')
    found = RunDisk([first, second], [second], 2, "none", tmp_path)
    assert found.forecast()[0].startswith("disk: each run takes ")
    found.ended(second)
    assert left(first.directory) == ALL and left(second.directory) == []
    assert found.closing().startswith("disk: 2 runs, ") and found.closing().endswith("(keep=none)")


@pytest.mark.parametrize("keep", ["best", "last", "none"])
def test_a_real_run_without_checkpoints(
    keep: Keep, finished: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is called damaged, it answers as before, and whether it can go on is said in a line."""
    from ganatomy.inference.loaded import load_run

    run = tmp_path / "run"
    shutil.copytree(finished("segmentation"), run)
    thin(run, keep)
    assert left(run) == {"best": ["best.ckpt"], "last": ["last.ckpt"], "none": []}[keep]
    assert restore(run) == []
    assert load_run(run, "cpu").task is not None
    if keep == "last":
        again = open_again(run)
        assert again.resumption is not None and again.resumption.path.name == "last.ckpt"
        (line,) = again.resumption.lines
        assert "best.ckpt: was removed (keep=...); the best weights" in line
    else:
        with pytest.raises(UserError, match=r"no checkpoints/last\.ckpt any more \(.* removed by keep="):
            open_again(run)
    assert "damage" not in capsys.readouterr().err
