"""Every task with every order of updates through the real command: two steps in which every weight learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

SMALL = [
    *("data.subjects=6", "data.size=16", "data.slices=4", "data.augment=[]", "data.batch_size=4"),
    *("trainer.max_steps=2", "trainer.val_every=2", "trainer.log_every=1", "trainer.threads=1"),
    *("trainer.accelerator=cpu", "callbacks.progress=none", "callbacks.report=false", "logger=none"),
]
TASKS = {
    "segmentation": ["model.generator.channels=[4,8]", "model.generator.strides=[2]", "data.spatial_dims=3"],
    "enhancement": ["model=pix2pix", "model.generator.channels=[4,8]", "data.spatial_dims=3"],
    "synthesis": ["model=dcgan", "model.generator.channels=4", "task.imagenet=false"],
}
PATCH = ["model.discriminator.channels=4", "model.discriminator.num_layers_d=1"]
MORE = {"synthesis": ["model.discriminator.channels=4"]}


@pytest.mark.slow
@pytest.mark.parametrize("update", ["shared", "textbook"])
@pytest.mark.parametrize("task", TASKS)
def test_two_steps_move_every_weight(command: Any, tmp_path: Path, task: str, update: str) -> None:
    words = [f"task={task}", f"update={update}", *TASKS[task], *MORE.get(task, PATCH), "run_dir=out"]
    done = command(*SMALL, *words, "save_predictions=1")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "out"
    assert len(list((run / "predictions").iterdir())) == 1
    scores = json.loads((run / "metrics.json").read_text())
    assert any(value is not None for name, value in scores.items() if name.startswith("test/"))
    begun, ended = weights_at_start(run), torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    for name, first in begun.items():
        last = ended["state_dict"][name]
        assert last.isfinite().all(), name
        if not name.endswith("bias"):  # where only differences of logits count nobody moves their zero
            assert not torch.equal(first, last), name
    assert {name.split(".")[0] for name in begun} == {"generator", "discriminator"}


def weights_at_start(run: Path) -> dict[str, torch.Tensor]:
    """Of both players, built anew from the run's own configuration."""
    from ganatomy.config.resolve import load
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_task

    classes = tuple(json.loads((run / "data.json").read_text())["classes"])
    players = ("generator", "discriminator")
    task = build_task(Config.from_plain(load(run)), classes)
    return {name: weight for name, weight in task.named_parameters() if name.startswith(players)}
