"""Runs of model=cyclegan by the real command: killed and resumed, and in two processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import commands
from tests.conftest import TINY as COMMON
from tests.ranks import together
from tests.tasks.translation.test_unpaired import NETWORKS
from tests.test_processes import plain_sgd
from tests.test_resume import assert_same_end, checkpoint

TINY = [
    "task=translation",
    "model=cyclegan",
    *(word for word in COMMON if not word.startswith("model.")),
    *NETWORKS,
    "data.split=[3,1,2]",
    "data.cache=memory",
    "model.adversarial.history=10",
    "trainer.val_every=6",
]


@pytest.mark.slow
def test_killed_and_resumed_it_ends_as_if_it_had_not_been(command: Any, tmp_path: Path) -> None:
    """The order of either side, four players, and the fakes that are held, to the last bit."""
    steps = [*TINY, "trainer.max_steps=24", "callbacks.checkpoint_every=1"]
    whole = command(*steps, "run_dir=whole")
    assert whole.returncode == 0, whole.stderr
    assert "update g_first" in whole.stderr and "D learns from 10 earlier fakes" in whole.stderr
    words = [sys.executable, "-m", "src.train", *steps, f"run_dir={tmp_path}/cut"]
    process, last = commands.start(words, tmp_path), tmp_path / "cut/checkpoints/last.ckpt"
    while process.poll() is None and not last.exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    begun = checkpoint(tmp_path / "cut")
    assert 0 < begun["batches_done"] < 24
    resumed = command("resume=cut")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_end(tmp_path / "whole", tmp_path / "cut")
    state = checkpoint(tmp_path / "cut")["state_dict"]
    for name in ("target", "source"):
        assert int(state[f"history.{name}.count"]) == 10
        assert state[f"history.{name}.fake_0"].shape == (10, 1, 32, 32)
        assert state[f"history.{name}.fake_0"].flatten(1).std(1).min() > 0


@pytest.mark.slow
def test_two_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    """An uneven batch in micro-batches; every row of the history, too."""
    more = [*plain_sgd("generator", 2e-4), *plain_sgd("discriminator", 1e-3), "data.batch_size=5"]
    words = [*TINY, *more, "update.accumulate=2", "trainer.max_steps=3", "trainer.precision=32-true"]
    done = command(*words, "run_dir=one")
    assert done.returncode == 0, done.stderr
    together(2, tmp_path, *words, "run_dir=two")
    one, two = (checkpoint(tmp_path / name)["state_dict"] for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=2e-6, msg=name)
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    for name in ("test/mae", "test/psnr", "test/ssim"):
        assert scores[1][name] == pytest.approx(scores[0][name], rel=1e-5), name


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.discriminator=null"], "error: model.discriminator: null leaves nothing that says"),
        (["data.source=[t1,t2]", "task.method.identity=0.5"], "error: task.method.identity: images have 2 "),
        (["model.adversarial.history=-1"], "error: model.adversarial.history: "),
        (["model.adversarial.history=2.5"], "error: model.adversarial.history: "),
        (["data.unpaired=false"], "error: data.unpaired=false: this model learns without pairs"),
        (["task.method.cycle=0"], "error: task.method.cycle: 0"),
        (["~model.generator.to_source"], "error: model.generator: has the networks to_target; this method"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    command: Any, tmp_path: Path, words: list[str], says: str
) -> None:
    done = command(*TINY, "trainer.max_steps=2", "run_dir=run", *words)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run/checkpoints").exists() and not (tmp_path / "run/config.yaml").exists()
