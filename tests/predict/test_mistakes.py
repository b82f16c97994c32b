"""Mistakes in a call of `predict`: one line each, which names the key or the file and how to mend it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.inference.ensembles import ensemble
from ganatomy.predict import command, setup
from ganatomy.predict.command import predict
from ganatomy.predict.settings import PredictConfig
from tests import commands
from tests.finished import blobs
from tests.predict.test_predict import settings, table

Finished = Callable[[str], Path]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray((blobs(1, 24, 24) * 255).astype(np.uint8)).save(folder / "a.png")
    return folder


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_named(finished: Finished, tmp_path: Path, value: float) -> None:
    """Not a network that is said to have diverged: the file is at fault."""
    (tmp_path / "in").mkdir()
    image = blobs(1, 24, 24)
    image[3, 4:6] = value
    np.save(tmp_path / "in/bad.npy", image)
    assert predict(settings(finished("segmentation"), tmp_path / "in", tmp_path / "out")) == 1
    [row] = table(tmp_path / "out")
    assert row["error"].startswith("bad: 2 of 576 values are NaN, infinite")


def test_advice_to_train_otherwise_is_left_out(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in/bad.npy", np.random.default_rng(0).random((3, 8, 8, 5)))
    assert predict(settings(finished("segmentation"), tmp_path / "in", tmp_path / "out")) == 1
    [row] = table(tmp_path / "out")
    assert "the run's channels=1" in row["error"] and "set data." not in row["error"]
    assert str(tmp_path) not in row["error"]


def test_a_run_of_synthesis_is_sent_to_generate(
    finished: Finished, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ensemble.load_run

    def changed(*words: Any) -> Any:
        loaded = load(*words)
        return replace(loaded, preprocessing=replace(loaded.preprocessing, synthesis={"form": "png"}))

    monkeypatch.setattr(ensemble, "load_run", changed)
    with pytest.raises(UserError, match=r"makes images from noise.*use generate run="):
        predict(settings(finished("segmentation"), pictures, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"window": [16, 16, 16]}, r"window=\[16, 16, 16\]: give one number, or 2"),
        ({"window": -3}, "window"),
        ({"output": ""}, "output: is empty"),
        ({"input": []}, "input: names no file"),
    ],
)
def test_a_wrong_key_is_one_line(
    finished: Finished, pictures: Path, tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        plain = settings(finished("segmentation"), pictures, tmp_path / "out").to_plain()
        predict(PredictConfig.from_plain({**plain, **more}))


def test_an_output_that_is_a_file_is_refused(finished: Finished, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match=r"output: .*out is a file where a folder is needed"):
        predict(settings(finished("segmentation"), pictures, tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


def test_a_failed_game_is_said(
    finished: Finished, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(command, "failed_game", lambda run: "collapse")
    assert predict(settings(finished("segmentation"), pictures, tmp_path / "out")) == 0
    assert "its game failed (collapse)" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see who is left")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stop_leaves_no_process_behind(finished: Finished, tmp_path: Path, number: int, code: int) -> None:
    """Two processes, stopped after the first answers: nobody goes on writing into the folder."""
    (tmp_path / "in").mkdir()
    Image.fromarray((blobs(1, 24, 24) * 255).astype(np.uint8)).save(tmp_path / "one.png")
    for n in range(3000):
        os.link(tmp_path / "one.png", tmp_path / f"in/p{n}.png")
    words = [f"run={finished('segmentation')}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}"]
    words += ["processes=2", "threads=1", "pictures=0"]
    with commands.start([sys.executable, "-m", "src.predict", *words], merged=True) as process:
        while not list((tmp_path / "out").glob("*.png")) and process.poll() is None:
            time.sleep(0.1)
        os.kill(process.pid, number)
        said = process.stdout.read()  # ends when the last process of the command has ended
    assert process.returncode == code and "Traceback" not in said
    assert (number == signal.SIGKILL) or "stopped by SIGTERM" in said
    assert len(list((tmp_path / "out").glob("*.png"))) < 3000


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"precision": "16-mixed"}, "precision=16-mixed: needs a GPU; use bf16-mixed or 32-true here"),
        ({"window": 16}, "window: this run's task takes whole images; set it to null"),
    ],
)
def test_what_this_machine_or_task_cannot_do(
    keys: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(device=torch.device("cpu"), task=SimpleNamespace())
    monkeypatch.setattr(setup, "load_runs", lambda *given, **how: run)
    none = dict.fromkeys(("mirror_axes", "alpha", "twin", "window", "threads"))
    plain = {"runs": ["here"], "device": "cpu", "samples": 0, "doubt": False, "precision": "run"}
    with pytest.raises(UserError, match=f"^{line}$"):
        setup.load(SimpleNamespace(**none | plain | keys))  # type: ignore[arg-type]
