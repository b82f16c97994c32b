"""The game inside Lightning: what is counted, what is touched, and the same numbers as a plain loop."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from monai.losses import DiceCELoss

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.task import SegmentationTask
from ganatomy.training import build, preflight
from ganatomy.training.trainer import TwoPlayerScaling


def prepared(compose: Any, *overrides: str) -> tuple[dict[str, Any], Any, Any]:
    cfg = validate(compose(*overrides))
    data = build.build_data(cfg)
    data.setup()
    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.mask_classes)
    preflight.plan_update(cfg.update, task, data)
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


def test_a_loss_of_every_second_step_is_in_the_history(run: Any) -> None:
    """R1 falls on steps 1, 3, 5, 7; lines are written at 2, 4, 6, 8."""
    penalty = "model.adversarial.penalties=[{name: r1, gamma: 1.0, every: 2}]"
    with (run("run", penalty, "trainer.log_every=2") / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["loss/discriminator/r1"]] == ["2", "4", "6", "8"]


def test_a_scale_of_losses_that_only_falls_is_named() -> None:
    fine = SimpleNamespace(raise_if_bad=lambda: None)
    scaler = SimpleNamespace(get_scale=lambda: 1e-4)
    task: Any = SimpleNamespace(gradient_monitor=fine, _scaler=scaler, batches_done=9)
    with pytest.raises(
        UserError, match=r"^step 9: every step overflows in 16-mixed; use trainer\.precision="
    ):
        SegmentationTask.check_finite(task)


@pytest.mark.parametrize("monitor", ["val/dice", "val/hd95"])
def test_the_best_is_best_in_the_direction_of_its_score(run: Any, monitor: str) -> None:
    made = run("run", f"task.monitor={monitor}", "trainer.val_every=2", "model.ema_half_life=null")
    with (made / "metrics.csv").open(newline="") as file:
        scores = {int(row["step"]): float(row[monitor]) for row in csv.DictReader(file) if row[monitor]}
    best = (max if monitor == "val/dice" else min)(scores.values())
    assert len(set(scores.values())) > 1
    assert json.loads((made / "status.json").read_text())["best"]["score"] == pytest.approx(best)


def test_the_steps_after_the_last_validation_are_validated_too(run: Any) -> None:
    made = run("run", "trainer.max_steps=6", "trainer.val_every=4")
    with (made / "metrics.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file) if row["val/dice"]] == ["4", "6"]


def test_one_loss_scale_serves_both_players(compose: Any, tmp_path: Path) -> None:
    """float16's scaling leaves an SGD step what it is, also where the scale changes with every batch."""
    words = ["model.scheduler.generator=null", "update.clip.generator=0.05"]
    for player in ("generator", "discriminator"):
        own = f"model.optimizer.{player}"
        words += [f"{own}._target_=torch.optim.SGD", f"{own}.lr=0.1", f"~{own}.betas"]
    weights = []
    for growth in (2.0, 1.0 + 1e-12):
        _, data, task = prepared(compose, *words)
        scaler = torch.amp.GradScaler("cpu", init_scale=1.0, growth_factor=growth, growth_interval=1)
        plain = TwoPlayerScaling("16-mixed", "cpu", scaler)
        plain.forward_context = contextlib.nullcontext  # float32 arithmetic: the scaling alone is on trial
        trainer = pl.Trainer(
            max_steps=4, plugins=[plain], logger=False, enable_checkpointing=False, enable_progress_bar=False,
            accelerator="cpu", use_distributed_sampler=False, limit_val_batches=0, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(task, data)
        assert trainer.global_step == 4
        weights.append(torch.cat([p.detach().flatten() for p in task.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


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
    (group,) = discriminator.param_groups
    assert group["lr"] == pytest.approx(2e-4 * c)
    assert group["betas"] == pytest.approx((0.5**c, 0.99**c))


def test_a_schedule_reaches_the_optimizer(run: Any) -> None:
    end = checkpoint(run("run"))
    rate = end["optimizer_states"][0]["param_groups"][0]["lr"]
    assert rate == pytest.approx(2e-3 * (1 + np.cos(np.pi * 8 / 20)) / 2)
