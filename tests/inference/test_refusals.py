"""What the Python interface and mixtures refuse: words, weights and runs that do not belong together."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
from torch import nn

from ganatomy.errors import UserError
from ganatomy.inference import interpolation, loaded, trained
from ganatomy.inference.ensembles.ensemble import check_together
from ganatomy.predict import processes
from ganatomy.runs.integrity.checksums import Damaged


def test_words_of_training_are_a_list_and_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^words: give a list of words, as in \['task=segmentation'\]$"):
        trained.train("task=segmentation")
    monkeypatch.setattr(
        trained, "child_command", lambda name: [sys.executable, "-S", "-c", "raise SystemExit(5)"]
    )
    with pytest.raises(UserError, match=r"^train ended with exit code 5$"):
        trained.train([])


def test_weights_without_the_rest_of_the_task_are_named(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    content = safetensors.torch.save(network.state_dict())
    task: Any = SimpleNamespace(generator=network, evaluator=network, state_to_keep=lambda: {"axes": 1})
    with pytest.raises(UserError, match=r"^run=.*task\.safetensors: is missing; "):
        loaded._load_weights(task, tmp_path, content, "run")


def test_a_damaged_file_of_a_mixture_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def damaged(*given: Any) -> None:
        raise Damaged("gan/x: is damaged")

    monkeypatch.setattr(interpolation, "load", lambda run: {"model": {"discriminator": {}}})
    monkeypatch.setattr(interpolation, "read_file", damaged)
    with pytest.raises(UserError, match=r"^run=gan/x: is damaged; resume=gan mends its files$"):
        interpolation.twin_of(Path("gan"), None)
    origin = {"init": {"source": "t", "file": interpolation.WEIGHTS, "generator": {"loaded": 1, "of": 1}}}
    monkeypatch.setattr(interpolation, "read_file", lambda *given: origin)
    monkeypatch.setattr(interpolation, "read_bytes", damaged)
    with pytest.raises(UserError, match=r"^twin=gan/x: is damaged; resume=t mends its files$"):
        interpolation.twin_of(Path("gan"), None)


def test_a_gan_without_pairs_has_no_twin() -> None:
    gan: Any = SimpleNamespace(path="gan", task=SimpleNamespace(method=SimpleNamespace(unpaired=True)))
    with pytest.raises(UserError, match=r"^alpha: gan learned without pairs, so there is no twin"):
        interpolation.interpolated(gan, 0.5, None)


def test_a_task_without_a_soft_prediction_has_no_ensemble() -> None:
    run: Any = SimpleNamespace(path="here", task=SimpleNamespace(soft_kind=""))
    with pytest.raises(UserError, match=r"^run=here: \w+ has no soft prediction, so there is nothing to "):
        check_together([run, run])


def test_processes_of_predict_that_end_early_or_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    import queue

    def nothing(timeout: float) -> None:
        raise queue.Empty

    workers: Any = [SimpleNamespace(is_alive=lambda: False, exitcode=-9)] * 2
    line = r"^processes: all ended before the last case \(exit codes -9, -9\); if memory ran out, give fewer"
    with pytest.raises(UserError, match=line):
        processes._listen(workers, SimpleNamespace(get=nothing), 1, lambda entry: None)
    with pytest.raises(UserError, match=r"^why it failed$"):
        processes._listen(
            workers, SimpleNamespace(get=lambda timeout: "why it failed"), 1, lambda entry: None
        )
