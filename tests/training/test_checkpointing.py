"""`trainer.checkpointing` by the real command: the run without it, bit for bit; over a stop; N processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY
from tests.test_processes import BRIEF, assert_alike, ddp, plain_sgd
from tests.test_resume import assert_same_end, run_until

R1 = "model.adversarial.penalties=[{name: r1, every: 2}]"
WORDS = [*TINY, "trainer.precision=32-true", R1, "trainer.max_steps=5", "trainer.val_every=5"]


@pytest.mark.parametrize("players", ["true", "generator", "discriminator"])
def test_the_same_run(command: Any, tmp_path: Path, players: str) -> None:
    words = ["data.spatial_dims=3", "data.size=16", "+model.generator.dropout=0.2"]
    for name, value in {"kept": "false", "again": players}.items():
        done = command(*WORDS, *words, f"trainer.checkpointing={value}", f"run_dir={name}")
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "kept", tmp_path / "again")


def test_a_run_goes_on_with_it_and_without(run: Any) -> None:
    more = [R1, "trainer.max_steps=5", "callbacks.checkpoint_every=100"]
    whole = run("whole", *more)
    run_until(3, run, "cut", *more, "trainer.checkpointing=true")
    assert_same_end(whole, run("cut", "trainer.checkpointing=false", resume=True))


@pytest.mark.slow
def test_several_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    """Statistics and dropout of the global batch, in blocks that are computed again after the pass."""
    changed = ("trainer.max_steps", "trainer.val_every", "data.batch_size", "data.spatial_dims")
    words = [word for word in [*BRIEF, "data.batch_size=5"] if word.split("=")[0] not in changed[:2]]
    words += ["model.generator.norm=batch", "+model.generator.dropout=0.3", "data.batch_size=5"]
    words += [
        "model.generator.channels=[4,8]",
        "model.generator.strides=[2]",
        "model.discriminator.channels=4",
    ]
    words += ["model.discriminator.num_layers_d=1", "trainer.max_steps=4", "trainer.val_every=4"]
    words += [
        *plain_sgd("generator", 0.02),
        *plain_sgd("discriminator", 0.001),
        "model.scheduler.generator=null",
    ]
    for name, more in {"one": [], "several": [*ddp(2), "trainer.checkpointing=true"]}.items():
        done = command(*words, f"run_dir={name}", *more)
        assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "one", tmp_path / "several")


def test_spectral_norm_is_refused_before_the_first_step(command: Any, tmp_path: Path) -> None:
    norm = "model.adversarial.penalties=[{name: spectral_norm}]"
    done = command(*TINY, norm, "trainer.checkpointing=true", "run_dir=out")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "trainer.checkpointing: Convolution has spectral norm" in done.stderr
    done = command(*TINY, norm, "trainer.checkpointing=generator", "run_dir=out")
    assert done.returncode == 0 and json.loads((tmp_path / "out/metrics.json").read_text())
