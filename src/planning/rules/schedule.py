"""Learning rate, its schedule, and which checkpoint is tested."""

from __future__ import annotations

from typing import Any

from ganatomy.planning.draft import Draft

DEEP = 4
"""Halvings from which a U-Net learns at half the rate."""
FEW = 5
"""Fewer validation cases than these choose a checkpoint badly."""


def choose(draft: Draft) -> None:
    """Choose rate, decay and the tested checkpoint."""
    halvings = [step for step in _levels(draft) if step not in (1, [1] * draft.data.dims)]
    rate = draft.get("model.optimizer.generator.lr")
    if len(halvings) >= DEEP and draft.task == "segmentation" and isinstance(rate, float):
        why = f"{len(halvings)} halvings: deeper nets learn at half the rate"
        draft.put("model.optimizer.generator.lr", rate / 2, why)
    if draft.get("model.scheduler.generator") is None and draft.has("model.scheduler.generator"):
        decay = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": "${trainer.max_steps}"}
        draft.put("model.scheduler.generator", decay, "to 0 at the last step: the time is known")
    val = draft.data.cases.get("val", 0)
    if val < FEW:
        draft.put(
            "trainer.test_checkpoint",
            "last",
            f"{val} validation {'case chooses' if val == 1 else 'cases choose'} badly",
        )
    if (
        draft.task == "enhancement"
        and draft.get("task.monitor") == "val/psnr"
        and draft.has("task.losses.mse")
    ):
        draft.put("task.losses.l1", 0.0, "the squared error is what PSNR measures")
        draft.put("task.losses.mse", 1.0, "the squared error is what PSNR measures")


def _levels(draft: Draft) -> list[Any]:
    found = draft.get("model.generator.strides")
    return found if isinstance(found, list) else []
