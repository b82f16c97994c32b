"""A run that stopped goes on as if it had not: the same weights, moments and averages, bit for bit."""

from __future__ import annotations

import csv
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.errors import UserError
from tests import commands
from tests.conftest import TINY


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(a: Any, b: Any, path: str = "") -> None:
    """Equal to the last bit, whatever is nested."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{index}]")
    else:
        assert a == b, path


def history(run: Path) -> list[dict[str, str]]:
    """metrics.csv without the clock's part of it."""
    with (run / "metrics.csv").open(newline="") as file:
        return [
            {name: v for name, v in row.items() if not name.startswith("time/")}
            for row in csv.DictReader(file)
        ]


def assert_same_end(a: Path, b: Path) -> None:
    first, second = checkpoint(a), checkpoint(b)
    for part in (
        "state_dict",
        "optimizer_states",
        "lr_schedulers",
        "batches_done",
        "global_step",
        "callbacks",
    ):
        assert_same(first[part], second[part], part)
    best = [torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"] for run in (a, b)]
    assert_same(*best, "best")
    assert history(a) == history(b)
    assert (a / "metrics.json").read_text() == (b / "metrics.json").read_text()


def run_until(stop: int, run: Any, *words: str) -> None:
    """As if the process were asked to end after `stop` steps."""
    begin = Checkpoints.on_train_batch_start

    def asked(self: Checkpoints, trainer: Any, task: Any, *rest: Any) -> None:
        if task.batches_done == stop:
            self.stop_signal = signal.SIGTERM
        begin(self, trainer, task, *rest)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Checkpoints, "on_train_batch_start", asked)
        run(*words)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [3, 4, 5])  # an epoch's end, a validation, the middle of an epoch
def test_resumed_equals_uninterrupted(
    run, workers: int, stop: int, capfd: pytest.CaptureFixture[str]
) -> None:
    more = [f"data.workers={workers}", "callbacks.checkpoint_every=100"]
    whole = run("whole", *more)
    run_until(stop, run, "cut", *more)
    assert "goes on after" not in "".join(capfd.readouterr())
    assert_same_end(whole, run("cut", resume=True))
    assert f"resume: goes on after step {stop} of 8\n" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "options",
    [
        ["update=textbook", "update.n_critic=2"],
        ["trainer.precision=bf16-mixed", "trainer.channels_last=true", "update.clip.generator=0.1"],
        ["update.accumulate=2", "model.adversarial.penalties=[{name: r1, gamma: 1.0, every: 2}]"],
        ["model.discriminator=null"],
        [
            "model.adversarial.penalties=[{name: gradient_penalty}, {name: lecam}, {name: spectral_norm}]",
            "model.adversarial.augment={name: ada, start: 0.5, interval: 3}",
            "model.adversarial.weight={name: adaptive, share: 0.2}",
            "update.n_critic=2",
            "trainer.log_every=3",
        ],
    ],
    ids=["textbook", "bf16, channels last", "pieces", "supervised", "everything that draws or remembers"],
)
def test_resume_whatever_the_update(run, options: list[str]) -> None:
    whole = run("whole", *options)
    run_until(4, run, "cut", *options)
    assert_same_end(whole, run("cut", resume=True))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_from_outside(run, tmp_path: Path, how: signal.Signals) -> None:
    """A graceful stop loses nothing, a kill what came after the last checkpoint; neither changes the end."""
    steps = ["trainer.max_steps=40", "callbacks.checkpoint_every=1", "trainer.val_every=10"]
    whole = run("whole", *steps)
    words = [sys.executable, "-m", "src.train", *TINY, *steps, f"run_dir={tmp_path}/cut"]
    process = commands.start(words, tmp_path)
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    while process.poll() is None and not last.exists():
        time.sleep(0.01)
    os.kill(process.pid, how)
    message = process.communicate(timeout=120)[1]
    if how != signal.SIGKILL:
        assert process.returncode == 128 + how
        assert "resume=cut" in message
        assert '"preempted"' in (tmp_path / "cut" / "status.json").read_text()
    assert checkpoint(tmp_path / "cut")["batches_done"] < 40
    assert_same_end(whole, run("cut", resume=True))


def test_the_seed_decides(run) -> None:
    first, same, other = run("a", "seed=3"), run("b", "seed=3"), run("c", "seed=4")
    assert_same(checkpoint(first)["state_dict"], checkpoint(same)["state_dict"])
    weights = [
        checkpoint(run)["state_dict"]["generator.model.0.conv.unit0.conv.weight"] for run in (first, other)
    ]
    assert not torch.equal(*weights)


def test_a_run_does_not_go_back_to_fewer_steps(run) -> None:
    """It would end as one of four steps, with the weights of eight."""
    whole = run("whole")
    before = (whole / "status.json").read_bytes()
    with pytest.raises(UserError, match=r"^trainer\.max_steps: the run is at step 8 already; give at least"):
        run("whole", "trainer.max_steps=4", resume=True)
    assert (whole / "status.json").read_bytes() == before
