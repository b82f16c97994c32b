"""Trackers keep numbers, pictures, warnings and files in the run's folder, where their libraries look."""

from __future__ import annotations

import importlib.util
import json
import runpy
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from ganatomy.callbacks import loggers
from tests import commands
from tests.conftest import TINY, environment

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
def test_wandb_keeps_weights_and_the_hash_of_the_data_offline(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    done = command(*TINY[:-1], "logger=wandb", "logger.artifacts=true", "run_dir=run", "trainer.max_steps=4")
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "run/wandb").glob("offline-run-*/*.wandb")
    content = file.read_bytes()
    held = json.loads((tmp_path / "run/data.json").read_text())["hash"]
    assert content.count(f'{{"data_hash":"{held}"}}'.encode()) >= 2
    for name in ("generator.safetensors", "config.yaml", "preprocessing.json", "metrics.json"):
        assert str(tmp_path / "run" / name).encode() in content  # named where it lies, and not copied
