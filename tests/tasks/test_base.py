"""The game inside Lightning: what is counted, what is touched, and the same numbers as a plain loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss

from src.core import build, prepare
from src.core.config import validate
from src.errors import UserError
from src.tasks.segmentation import SegmentationTask


def prepared(compose: Any, *overrides: str) -> tuple[dict[str, Any], Any, Any]:
    cfg = compose(*overrides)
    validate(cfg)
    data = build.build_data(cfg)
    data.setup()
    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.classes)
    prepare.plan_update(cfg, task, data)
    return cfg, data, task


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.parametrize(
    "options",
    [
        ["update=shared"],
        ["update=textbook"],
        ["update=one_backward"],
        ["update=auto", "model.adversarial.loss=wasserstein"],
        ["update.n_critic=3"],
        ["update.accumulate=2"],
        ["model.discriminator=null"],
    ],
    ids=["shared", "textbook", "one_backward", "auto", "n_critic", "pieces", "supervised"],
)
def test_global_step_counts_batches(run: Any, options: list[str]) -> None:
    end = checkpoint(run("run", *options))
    assert end["global_step"] == end["batches_done"] == 8


def test_without_discriminator_it_is_a_plain_supervised_loop(run: Any, compose: Any) -> None:
    trained = checkpoint(run("run", "model.discriminator=null", "model.ema_half_life=null"))["state_dict"]
    _, data, task = prepared(compose, "model.discriminator=null", "model.ema_half_life=null")
    network, loss = task.generator, DiceCELoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    for _, batch in zip(range(8), data.train_dataloader(), strict=False):
        optimizer.zero_grad()
        loss(network(batch["image"]), batch["label"]).backward()
        optimizer.step()
        schedule.step()
    for name, value in network.state_dict().items():
        assert torch.equal(trained[f"generator.{name}"], value), name


@pytest.mark.parametrize("update", ["shared", "textbook"])
def test_a_phase_leaves_the_other_player_alone(compose: Any, update: str) -> None:
    """When a player steps, the other has the gradients of its own phase or none."""
    _, data, task = prepared(compose, f"update={update}")
    batch = next(iter(data.train_dataloader()))
    seen = {}

    def stepper(player: str) -> None:
        seen[player] = {
            own: [None if p.grad is None else p.grad.clone() for p in getattr(task, own).parameters()]
            for own in ("generator", "discriminator")
        }
        for parameter in getattr(task, player).parameters():
            parameter.grad = None

    task.update(task.game, batch, 0, stepper)
    if update == "textbook":
        assert all(grad is None for grad in seen["discriminator"]["generator"])
        assert all(grad is None for grad in seen["generator"]["discriminator"])
    assert all(grad is not None for grad in seen["generator"]["generator"])
    assert all(grad is not None for grad in seen["discriminator"]["discriminator"])
    assert all(p.grad is None for p in task.parameters())


def test_clipping_bounds_each_player_by_its_own_norm(run: Any) -> None:
    """With SGD a clipped step moves the weights by at most learning rate times norm."""
    words = ["model.scheduler.generator=null"]
    for player in ("generator", "discriminator"):
        own = f"model.optimizer.{player}"
        words += [f"{own}._target_=torch.optim.SGD", f"{own}.lr=1.0", f"~{own}.betas"]
    limits = {"generator": 1e-3, "discriminator": 2e-3}
    clip = [f"update.clip.{player}={limit}" for player, limit in limits.items()]
    before = checkpoint(run("a", *words, *clip, "trainer.max_steps=1"))["state_dict"]
    after = checkpoint(run("b", *words, *clip, "trainer.max_steps=2"))["state_dict"]
    for player, limit in limits.items():
        moved = [(after[n] - before[n]).norm() for n in before if n.startswith(f"{player}.")]
        assert float(torch.stack(moved).norm()) == pytest.approx(limit, rel=1e-3)


def test_a_gradient_that_is_not_finite_ends_the_run_by_name(
    run: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Planted: the third batch's segmentation loss is not a number."""
    losses = SegmentationTask.task_losses

    def planted(task: Any, batch: Any, logits: Any) -> Any:
        return {
            n: v * (float("nan") if task.batches_done == 2 else 1.0)
            for n, v in losses(task, batch, logits).items()
        }

    monkeypatch.setattr(SegmentationTask, "task_losses", planted)
    with pytest.raises(UserError, match=r"step 2: the gradient of the generator is not finite; .*dice_ce"):
        run("run")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "failed"


def test_the_average_is_what_is_judged(compose: Any) -> None:
    _, data, task = prepared(compose)
    batch = next(iter(data.val_dataloader()))
    before = task.predict(batch)
    with torch.no_grad():
        for parameter in task.generator.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert torch.equal(task.predict(batch), before)
    assert task.evaluator is not task.generator


def test_a_lazy_penalty_corrects_adam(compose: Any) -> None:
    """Karras et al. 2020, appendix B: lr c and betas to the power c, c = k / (k + 1)."""
    _, _, task = prepared(compose, "model.adversarial.penalties=[{name: r1, gamma: 1.0, every: 16}]")
    (_, discriminator), _ = task.configure_optimizers()
    c = 16 / 17
    assert discriminator.defaults["lr"] == pytest.approx(2e-4 * c)
    assert discriminator.defaults["betas"] == pytest.approx((0.5**c, 0.99**c))


def test_a_schedule_reaches_the_optimizer(run: Any) -> None:
    end = checkpoint(run("run"))
    rate = end["optimizer_states"][0]["param_groups"][0]["lr"]
    assert rate == pytest.approx(2e-3 * (1 + np.cos(np.pi * 8 / 20)) / 2)
