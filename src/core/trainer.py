"""Lightning's Trainer, set up for two players."""

from __future__ import annotations

from typing import Any

from src.core.config import Plain


def build_trainer(cfg: Plain, run: Any, start: int) -> Any:
    """Lightning's Trainer: counts batches, validates every `val_every`, watched by our callbacks."""
    import pytorch_lightning as pl

    from src.callbacks.checkpoint import AtomicCheckpointIO, Checkpoints
    from src.callbacks.loggers import build_loggers
    from src.callbacks.progress import TrainingProgress
    from src.callbacks.samples import Samples

    trainer, watch = cfg["trainer"], cfg["callbacks"]
    callbacks: list[pl.Callback] = [Checkpoints(run, watch["checkpoint_every"])]
    if watch["samples"]:
        callbacks.append(Samples(run, watch["samples"]))
    if watch["progress"] != "none":
        callbacks.append(TrainingProgress(watch["progress"]))
    return pl.Trainer(
        max_steps=trainer["max_steps"],
        val_check_interval=min(trainer["val_every"], trainer["max_steps"]),
        check_val_every_n_epoch=None,
        accelerator=trainer["accelerator"],
        devices=trainer["devices"],
        precision=trainer["precision"],
        deterministic=trainer["deterministic"],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=build_loggers(cfg, run, start if cfg["resume"] else None) or False,
        use_distributed_sampler=False,  # ours knows its rank; Lightning's shuffles even when told not to
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,  # metrics and sliding windows write in place
    )
