"""Learning rate, its schedule, and which checkpoint is tested."""

from __future__ import annotations

from ganatomy.planning.draft import Draft

DEEP = 4
"""Halvings from which a U-Net learns at half the rate."""
FEW = 5
"""Fewer validation cases than these choose a checkpoint badly."""


def choose(draft: Draft) -> None:
    """Choose rate, decay and the tested checkpoint."""
    levels = draft.get("model.generator.strides")
    if isinstance(levels, list) and len(levels) >= DEEP and draft.task == "segmentation":
        draft.put(
            "model.optimizer.generator.lr",
            1e-3,
            f"{len(levels)} halvings: deeper nets learn at half the rate",
        )
    if draft.get("model.scheduler.generator") is None and draft.has("model.scheduler.generator"):
        decay = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": "${trainer.max_steps}"}
        draft.put("model.scheduler.generator", decay, "to 0 at the last step: the time is known")
    val = draft.data.cases.get("val", 0)
    if val < FEW:
        draft.put("trainer.test_checkpoint", "last", f"{val} validation cases choose badly")
    if (
        draft.task == "enhancement"
        and draft.get("task.monitor") == "val/psnr"
        and draft.has("task.losses.mse")
    ):
        draft.put("task.losses.l1", 0.0, "the squared error is what PSNR measures")
        draft.put("task.losses.mse", 1.0, "the squared error is what PSNR measures")
