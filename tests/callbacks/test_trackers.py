"""Trackers keep numbers, pictures, warnings and files in the run's folder, where their libraries look."""

from __future__ import annotations

import importlib.util
import json
import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from ganatomy.callbacks import loggers
from ganatomy.callbacks.trackers.weights_biases import WandbTracker
from tests import commands
from tests.conftest import TINY, environment
from tests.wandb_files import records_of

PICTURE = (np.arange(8 * 8 * 3).reshape(8, 8, 3) % 256).astype(np.uint8)
CFG = {"seed": 3, "model": {"name": "fast"}, "task": {"list": [1, 2]}, "data": {}}
FED = """
import sys, json
from pathlib import Path
from typing import Any
import numpy as np
from ganatomy.callbacks.trackers.{module} import {tracker}
run = Path(sys.argv[1])
picture = (np.arange(8 * 8 * 3).reshape(8, 8, 3) % 256).astype(np.uint8)
first = {tracker}("ganatomy", json.loads(sys.argv[2]), run{first})
first.log_metrics({{"train/loss": 0.5, "test/dice/a+b": float("nan")}}, 5)
first.close(1)
again = {tracker}("ganatomy", json.loads(sys.argv[2]), run, first.version)
again.log_metrics({{"train/loss": 0.25}}, 10)
again.show({{"samples/image": picture}}, 10)
again.alert("collapse", "all images are one")
again.summarise({{"game": "healthy"}})
again.keep([run / "generator.safetensors"], "f00d")
again.finalize("success")
again.close(0)
print(first.version == again.version, again.name)
"""


def fed(folder: Path, module: str, tracker: str, first: str = "") -> str:
    """Begin a tracker, stop it, begin it again, end it, in a process of its own; return what it printed."""
    (folder / "generator.safetensors").write_bytes(b"weights")
    code = FED.format(module=module, tracker=tracker, first=first)
    words = [sys.executable, "-c", code, str(folder), json.dumps(CFG)]
    home = folder / "home"
    home.mkdir()
    more = environment(HOME=str(home), TRACKIO_SERVER_URL="http://192.0.2.1")
    done = subprocess.run(words, cwd=folder, env=more, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in path.parts]
    assert not written, "it writes into the home folder"
    return done.stdout


def rows(file: Path, query: str) -> list[Any]:
    return sqlite3.connect(file).execute(query).fetchall()


def same(path: Path) -> bool:
    return np.array_equal(np.asarray(Image.open(path).convert("RGB")), PICTURE)


def test_mlflow_keeps_all_in_one_run(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    assert fed(tmp_path, "mlflow", "MlflowTracker") == "True ganatomy\n"
    file = tmp_path / "mlflow/mlflow.db"
    assert rows(file, "select name, status from runs") == [(tmp_path.name, "FINISHED")]
    logged = rows(file, "select key, value, step, is_nan from metrics order by step, key")
    assert logged == [("test/dice/a_b", 0.0, 5, 1), ("train/loss", 0.5, 5, 0), ("train/loss", 0.25, 10, 0)]
    parameters: dict[str, str] = dict(rows(file, "select key, value from params"))
    assert parameters == {"seed": "3", "model.name": "fast", "task.list": "[1, 2]", "data": "{}"}
    tags: dict[str, str] = dict(rows(file, "select key, value from tags"))
    assert tags["alert.collapse"] == "all images are one"
    assert (tags["game"], tags["data_hash"]) == ("healthy", "f00d")
    (picture,) = (tmp_path / "mlflow/artifacts").rglob("*.png")
    assert same(picture)
    (weights,) = (tmp_path / "mlflow/artifacts").rglob("model/generator.safetensors")
    assert weights.read_bytes() == b"weights"


def test_trackio_keeps_all_in_one_run(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    assert fed(tmp_path, "trackio", "TrackioTracker", ", 'brain'") == "True ganatomy\n"
    file = tmp_path / "trackio/ganatomy.db"
    logged = [json.loads(each[0]) for each in rows(file, "select metrics from metrics order by step")]
    assert [each["train/loss"] for each in logged if "train/loss" in each] == [0.5, 0.25]
    assert {name for (name,) in rows(file, "select distinct run_name from metrics")} == {"brain"}
    (picture,) = (tmp_path / "trackio/media").rglob("*.png")
    assert same(picture)
    kept = [path for path in (tmp_path / "trackio").rglob("*") if path.is_file()]
    assert any(path.read_bytes() == b"weights" for path in kept)


def train_without(modules: list[str], words: list[str]) -> None:
    """Run the command as if these modules were not installed."""
    found = importlib.util.find_spec
    with mock.patch.object(loggers, "find_spec", lambda name: None if name in modules else found(name)):
        sys.argv = ["src.train", *words]
        runpy.run_module("src.train", run_name="__main__", alter_sys=True)


def test_an_absent_package_is_one_line_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("mlflow", "trackio", "tensorboard"):
        words = json.dumps([[name, f"{name}X"], [*TINY[:-1], f"logger={name}", "run_dir=run"]])
        line = [sys.executable, "-m", "tests.call", __name__, train_without.__name__, words]
        done = commands.run(line, tmp_path)
        assert done.returncode == 2
        assert done.stderr == f"error: logger={name}: not installed; pip install 'ganatomy[{name}]'\n"
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_wandb_goes_on_offline_and_keeps_weights_once(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """A run that was stopped goes on under its id, at its step; artifacts are kept at its end."""
    words = [*TINY[:-1], "logger=wandb", "logger.artifacts=true", "run_dir=run", "trainer.max_steps=40"]
    line = [sys.executable, "-m", "src.train", *words, "callbacks.checkpoint_every=1", "trainer.val_every=10"]
    process = commands.start(line, tmp_path)
    while process.poll() is None and not (tmp_path / "run/checkpoints/last.ckpt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    done = command("resume=run")
    assert done.returncode == 0, done.stderr
    first, second = (
        list(records_of(path)) for path in sorted((tmp_path / "run/wandb").glob("*-run-*/*.wandb"))
    )
    ids = {record.run.run_id for record in (*first, *second) if record.HasField("run")}
    assert ids == {json.loads((tmp_path / "run/status.json").read_text())["wandb_id"]}
    steps = [record.history.step.num for record in (*first, *second) if record.HasField("history")]
    assert steps == sorted(steps) and steps[-1] == 40
    assert len(set(steps)) == len(steps), "a batch is one row, and no part begins at 0 again"
    assert not any(record.run.host for record in (*first, *second))
    assert not any(record.HasField("artifact") for record in first)
    kept = [record.artifact for record in second if record.HasField("artifact")]
    assert [each.type for each in kept] == ["model", "dataset"]
    held = json.loads((tmp_path / "run/data.json").read_text())["hash"]
    assert [json.loads(each.metadata) for each in kept] == [{"data_hash": held}] * 2
    names = ("config.yaml", "generator.safetensors", "metrics.json", "preprocessing.json")
    named = {each.path: each.local_path for each in kept[0].manifest.contents}
    assert named == {name: str(tmp_path / "run" / name) for name in names}  # where they lie, and not copied


def test_wandb_steps_follow_the_servers_and_never_go_back() -> None:
    """W&B drops a row whose step is below its own: online that is the last one of the parts before."""
    run = mock.Mock(step=17)
    tracker = WandbTracker(experiment=run)
    for step, place in ((9, 17), (10, 18), (12, 20), (11, 20)):
        tracker.log_metrics({"loss": 1.0}, step)
        run.log.assert_called_with({"loss": 1.0, "trainer/global_step": step}, step=place)
        run.step = place
