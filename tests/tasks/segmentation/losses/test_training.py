"""Every loss in the game, with its adversary and without; deep supervision; resumed and shared runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai.networks.nets as nets
import numpy as np
import pytest
import torch
import yaml

from ganatomy.adversarial import plan
from ganatomy.tasks.segmentation.losses import LOSSES
from ganatomy.training.preflight import check_size
from tests.ranks import together
from tests.tasks.segmentation.test_task import PATCH
from tests.test_processes import assert_alike, plain_sgd
from tests.test_resume import assert_same_end, run_until

DEEP = ["model/generator=dynunet", "model.generator.width=4", "model.generator.strides=[1,2,2]"]
UNET = ["model.generator.channels=[4,8]", "model.generator.strides=[2]"]
D = [f"model.{word}" for word in PATCH]
BRAIN = ["task=segmentation", "data.augment=[]", "data.subjects=6", "data.size=16", "data.slices=2"]
MANY = "task.loss={dice_ce: 1.0, topk: 0.5, cldice: {iterations: 2}, boundary: {weight: 0.02, ramp: 0.5}}"


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task."""
    return lambda *words: [*BRAIN, *words]


def step(data: Any, task: Any, update: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """(log, gradients) of one batch."""
    task.update = plan(task.game, update).update
    log = task.update(task.game, next(iter(data.train_dataloader())), 0, lambda player: None)
    players = [name for name in ("generator", "discriminator") if getattr(task, name) is not None]
    named = {f"{name}.{key}": p for name in players for key, p in getattr(task, name).named_parameters()}
    found = {name: p.grad for name, p in named.items() if p.grad is not None}
    assert found.keys() == named.keys()
    return log, found


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_moves_every_weight_with_an_adversary_and_without(prepared: Any, name: str) -> None:
    for players in (D, ["model.discriminator=null"]):
        given = f"task.loss={{{name}: {{weight: 1.0, ramp: 0.0}}}}"
        data, task = prepared(*UNET, *players, given, "task.class_weights=[1,2,2,1]")
        log, found = step(data, task, "shared")
        assert log[f"loss/generator/{name}"].isfinite()
        for key, gradient in found.items():
            assert gradient.isfinite().all() and (gradient.any() or key.endswith("bias")), (players, key)


@pytest.mark.parametrize("dims", [2, 3])
def test_every_update_trains_all_heads(prepared: Any, dims: int) -> None:
    """With one value of each loss in all orders; coarse heads have half the sides."""
    logs = {}
    for update in ("shared", "g_first", "textbook", "one_backward"):
        data, task = prepared(*DEEP, *D, MANY, f"data.spatial_dims={dims}", "model.generator.heads=1")
        logs[update], found = step(data, task, update)
        for key, gradient in found.items():
            assert gradient.isfinite().all() and (gradient.any() or key.endswith("bias")), (update, key)
        heads = task.generate(next(iter(data.train_dataloader())))
        assert [len(each) for each in (heads, heads[0])] == [2, 4]
        assert heads[1].shape[2:] == tuple(side // 2 for side in heads[0].shape[2:])
    for log in logs.values():
        for name in ("dice_ce", "topk", "cldice"):
            torch.testing.assert_close(
                log[f"loss/generator/{name}"], logs["shared"][f"loss/generator/{name}"]
            )


def test_monais_stacked_heads_are_those_of_a_list(prepared: Any) -> None:
    data, task = prepared(*UNET, *D)
    sizes = [3, 3, 3], [1, 2, 2], [2, 2]
    task.generator = nets.DynUNet(2, 1, 4, *sizes, filters=[4, 8, 16], deep_supervision=True)
    check_size(task, data)
    batch = next(iter(data.train_dataloader()))
    output = task.generate(batch)
    assert output.shape == (4, 2, 4, 16, 16)
    losses = task.task_losses(batch, output)
    listed = task.task_losses(batch, list(output.unbind(1)))
    torch.testing.assert_close(losses["dice_ce"], listed["dice_ce"])
    _, fake = task.discriminator_inputs(batch, output)
    torch.testing.assert_close(fake[:, 1:], output[:, 0].softmax(1))


@pytest.mark.slow
def test_a_run_with_heads_and_weights_goes_on_bit_for_bit(train_small: Any) -> None:
    words = [*DEEP, *D, MANY, "task.class_weights=auto", "trainer.max_steps=7", "logger=csv"]
    whole = train_small("whole", *words)
    given = yaml.safe_load((whole / "config.yaml").read_text())["task"]["class_weights"]
    assert list(given) == ["background", "csf", "gm", "wm"] and np.mean(
        list(given.values())
    ) == pytest.approx(1)
    run_until(3, train_small, "cut", *words)
    assert_same_end(whole, train_small("cut", resume=True))


@pytest.mark.slow
def test_two_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    words = [*BRAIN, *DEEP, *D, MANY, "task.class_weights=auto", "data.batch_size=5", "trainer.max_steps=4"]
    words += [*plain_sgd("generator", 0.02), *plain_sgd("discriminator", 0.001), "trainer.val_every=4"]
    words += ["trainer.log_every=1", "trainer.threads=1", "trainer.accelerator=cpu", "callbacks.report=false"]
    words += ["callbacks.samples=0", "logger=csv"]
    done = command(*words, "run_dir=one")
    assert done.returncode == 0, done.stderr
    together(2, tmp_path, *words, "run_dir=several")
    assert_alike(tmp_path / "one", tmp_path / "several")
