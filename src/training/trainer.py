"""Lightning's Trainer, set up for two players."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch.optim import Optimizer

from ganatomy.errors import UserError
from ganatomy.launch.distributed import cluster
from ganatomy.launch.strategy import PlayersStrategy

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.runs.directory import Run


class TwoPlayerScaling(MixedPrecision):
    """float16 with one loss scale for both players: it stays as it is until both have stepped.

    Lightning's own would adapt the scale after the first player's step, and so unscale the second's
    gradients, computed before, by another number. The task adapts it, once a batch.
    """

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Optimizer, model: pl.LightningModule, closure: Callable[[], Any], **more: Any
    ) -> Any:
        assert self.scaler is not None
        closure()
        self.scaler.unscale_(optimizer)
        model.on_before_optimizer_step(optimizer)
        return self.scaler.step(optimizer, **more)


def build_trainer(cfg: Config, run: Run) -> pl.Trainer:
    """Build Lightning's Trainer: it counts batches and validates every `val_every`."""
    from ganatomy.callbacks.checkpoint import AtomicCheckpointIO, Checkpoints
    from ganatomy.callbacks.forecast import Forecast
    from ganatomy.callbacks.guard import Guard
    from ganatomy.callbacks.predictions import Predictions
    from ganatomy.callbacks.progress import TrainingProgress
    from ganatomy.callbacks.samples import Samples
    from ganatomy.callbacks.synthetic import SyntheticImages

    trainer, watch = cfg.trainer, cfg.callbacks
    callbacks: list[pl.Callback] = [] if cfg.guard.name == "none" else [Guard(cfg.guard.name)]
    callbacks.append(Checkpoints(run, watch.checkpoint_every))  # which keep what the guard has seen
    callbacks.append(Forecast(cfg.data, trainer))
    if watch.samples:
        callbacks.append(Samples(run, watch.samples))
    if cfg.save_predictions:
        callbacks.append(Predictions(run, cfg.save_predictions, cfg.data.extra.get("root")))
    if cfg.save_samples:
        callbacks.append(SyntheticImages(run, cfg))
    if watch.progress != "none":
        callbacks.append(TrainingProgress(watch.progress))
    plugins: list[Any] = [AtomicCheckpointIO(watch.keep_checkpoints)]
    strategy: str | PlayersStrategy = "auto"
    if (environment := cluster()) is not None:
        strategy, plugins = PlayersStrategy(), [*plugins, environment]
    assert trainer.precision != "auto"  # the planner of the machine has chosen
    half = trainer.precision == "16-mixed"
    if half and not torch.cuda.is_available():
        raise UserError("trainer.precision: 16-mixed needs a GPU; use bf16-mixed or 32-true here")
    return pl.Trainer(
        max_steps=trainer.max_steps,
        val_check_interval=min(trainer.val_every, trainer.max_steps),
        check_val_every_n_epoch=None,
        accelerator=trainer.accelerator,
        devices=trainer.devices,
        num_nodes=trainer.num_nodes,
        strategy=strategy,
        precision=None if half else trainer.precision,
        deterministic=trainer.deterministic,
        callbacks=callbacks,
        plugins=[*plugins, *([TwoPlayerScaling("16-mixed", "cuda")] if half else [])],
        logger=False,  # they come when the run directory stands
        use_distributed_sampler=False,  # ours knows its rank; Lightning's shuffles even when told not to
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,  # metrics and sliding windows write in place
    )
