"""Runs of `train` from a server: the same files as from fresh processes, and a server that dies."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.launch.train_process import TrainProcess
from ganatomy.launch.warm import Server, launch_words
from ganatomy.launch.warm.handle import Handle
from tests.conftest import TINY, environment

WORDS = ["task=segmentation", *TINY, "seed=3"]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's environment, which a run takes from the process that asks for it."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def contents(run: Path) -> dict[str, Any]:
    """The files of a run that must not depend on how it was started, without the run's own path."""
    found: dict[str, Any] = {}
    for name in ("metrics.json", "data.json", "config.yaml", "scores.csv"):
        found[name] = (run / name).read_text().replace(str(run), "RUN")
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        found["history"] = [
            {k: v for k, v in row.items() if k != "time/waiting"} for row in csv.DictReader(file)
        ]
    noted = json.loads((run / "environment.json").read_text())
    return found | {"command": [word.replace(str(run), "RUN") for word in noted["command"]]}


@pytest.mark.slow
def test_a_forked_run_is_the_run(server: Server, tmp_path: Path) -> None:
    """Scores, configuration, recorded command line and weights, bit for bit; also W&B's offline files."""
    launch, _ = launch_words(None)
    runs = {name: tmp_path / name for name in ("fresh", "forked", "wandb")}
    warm = TrainProcess(launch, WORDS, runs["forked"], client=server)
    assert isinstance(warm.process, Handle)
    cold = TrainProcess(launch, WORDS, runs["fresh"])
    logged = TrainProcess(launch, [*WORDS[:-1], "logger=wandb"], runs["wandb"], client=server)
    score = cold.result()
    assert isinstance(score, float) and warm.result() == score
    ours, theirs = contents(runs["forked"]), contents(runs["fresh"])
    assert [name for name in theirs if ours[name] != theirs[name]] == [] and theirs["history"]
    weights, expected = (
        torch.load(runs[name] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("forked", "fresh")
    )
    assert all(torch.equal(weights[name], expected[name]) for name in {*weights, *expected})
    assert isinstance(logged.result(), float) and list(
        (runs["wandb"] / "wandb").glob("offline-run-*/*.wandb")
    )


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that a test may kill."""
    with Server(env=environment()) as server:
        yield server


@pytest.mark.slow
def test_a_run_goes_on_when_the_server_is_killed(
    own: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run writes its checkpoint and goes on from it, in a fresh process."""
    launch = (sys.executable, "-m", "tests.sweeps.stub_train")
    folder = tmp_path / "study/trials/0000/seed_0"
    folder.parent.mkdir(parents=True)
    (tmp_path / "study/plot.json").write_text('{"0": "hang"}')
    words = ["model.optimizer.generator.lr=0.002", "seed=0"]
    run = TrainProcess(launch, words, folder, client=own)
    assert isinstance(run.process, Handle)
    while not (folder / "metrics.csv").exists():
        time.sleep(0.02)
    assert own.process is not None
    own.process.kill()
    while not isinstance(run.process, subprocess.Popen):
        assert run.running()
        time.sleep(0.02)
    assert isinstance(run.result(), float)
    starts = [json.loads(line) for line in (folder / "starts").read_text().splitlines()]
    assert [word.partition("=")[0] for line in starts for word in line if "seed_0" in word] == [
        "run_dir",
        "resume",
    ]
    own.revive()
    assert own.run("tests.sweeps.stub_train", ["run_dir=x"], cwd=tmp_path).wait(60) == 1
    assert "killed by SIGKILL" in capsys.readouterr().err and own.alive()
