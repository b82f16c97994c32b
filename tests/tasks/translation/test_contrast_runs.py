"""CUT by the whole command: two processes are one, and a run that stopped goes on bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY, composed
from tests.ranks import together
from tests.test_processes import assert_alike, checkpoint, plain_sgd
from tests.test_resume import assert_same_end, run_until

WORDS = [
    *("task=translation", "data=brain_contrasts", "model=cut", "data.split=[4,1,1]"),
    *(word for word in TINY if not word.startswith("model.")),
    *("model.generator.translator.channels=[4,8]", "model.generator.translator.blocks=1"),
    *("model.generator.head.layers=[0,2,3]", "model.generator.head.width=8", "task.method.patches=32"),
    *("model.discriminator.target.channels=4", "model.discriminator.target.num_layers_d=1"),
    "task.structure.gradient=0.5",
]
SGD = [*plain_sgd("generator", 0.002), *plain_sgd("discriminator", 0.001)]


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Path]:
    """Train in this process; `resume` names a run made before."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    def of(name: str, *words: str, resume: bool = False) -> Path:
        run = tmp_path / name
        given = [f"resume={run}"] if resume else [*WORDS, *words]
        train(validate(composed(*given, tiny=False)), run)
        return run

    return of


@pytest.mark.slow
@pytest.mark.parametrize("more", [["update.accumulate=2"], ["update=textbook", "update.n_critic=2"]])
def test_resumed_equals_uninterrupted(trained: Any, more: list[str]) -> None:
    """Positions, order of both sides, head and average included."""
    whole = trained("whole", *more)
    run_until(5, trained, "cut", *more)
    assert_same_end(whole, trained("cut", resume=True))
    assert any(name.startswith("average.module.head") for name in checkpoint(whole)["state_dict"])


@pytest.mark.slow
def test_two_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    """A batch of five: three rows and two."""
    rest = ("data.batch_size=", "trainer.max_steps=", "trainer.val_every=")
    words = [word for word in WORDS if not word.startswith(rest)]
    words += [*SGD, "data.batch_size=5", "trainer.max_steps=4", "trainer.val_every=4"]
    done = command(*words, "run_dir=one")
    assert done.returncode == 0, done.stderr
    together(2, tmp_path, *words, "run_dir=two")
    assert_alike(tmp_path / "one", tmp_path / "two")
