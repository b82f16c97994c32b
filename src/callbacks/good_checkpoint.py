"""The checkpoint that a game goes back to when it fails, and the first step after it went back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

import pytorch_lightning as pl

from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.runs.directory import Run
from ganatomy.tasks.base import AdversarialTask, Batch

Kind = TypeVar("Kind", bound=pl.Callback)


class GoodCheckpoint(pl.Callback):
    """Keep good.ckpt, the state when the batch after the best validation begins; every checkpoint lists the
    rollbacks before it.

    Unlike best.ckpt, which is written within a validation, training goes on from good.ckpt bit for bit.

    Args:
        run: Run directory.
        rollbacks: Rollbacks of the run so far, as status.json lists them.
        keep: Write good.ckpt.
        fresh: The run has just gone back: take the rates from the configuration, not from the checkpoint, and
            write last.ckpt before the first batch, so that it belongs to the new game.
    """

    def __init__(self, run: Run, rollbacks: Sequence[dict[str, Any]], keep: bool, fresh: bool) -> None:
        self.path, self.rollbacks, self.keep, self.fresh = good_of(run), list(rollbacks), keep, fresh
        self.step: int | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"rollbacks": self.rollbacks, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step = state_dict["step"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        if self.fresh:
            renew_rates(pl_module)
            found(trainer, Checkpoints).due = True
            self.fresh = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        done = pl_module.batches_done
        if self.keep and done and found(trainer, Checkpoints).best_step == done != self.step:
            self.step = done
            trainer.save_checkpoint(self.path)


def good_of(run: Run) -> Any:
    """Return the path of the run's good.ckpt."""
    return run.checkpoints / "good.ckpt"


def found(trainer: pl.Trainer, kind: type[Kind]) -> Kind:
    """Return the trainer's callback of a class."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next(callback for callback in callbacks if isinstance(callback, kind))


def renew_rates(task: AdversarialTask) -> None:
    """Give optimisers and schedules the settings of the configuration, and leave moments as they are.

    A checkpoint holds rates, and what schedules were begun with; both would win over a rate that was changed.
    The new optimiser and schedule are stepped as often as the old ones were, so this is right for any
    schedule that depends on the number of steps alone.
    """
    schedulers = iter(task._schedulers)
    for player, wrapped in zip(task.players, task._optimizers(), strict=True):
        optimizer = task.recipe.optimizers[player](task.trainable(player).parameters())
        make = task.recipe.schedulers.get(player)
        if make is not None:
            old, new = next(schedulers), make(optimizer)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it steps without its optimiser
                for _ in range(old.last_epoch):
                    new.step()
            old.load_state_dict(new.state_dict())
        for group, renewed in zip(wrapped.optimizer.param_groups, optimizer.param_groups, strict=True):
            group.update({key: value for key, value in renewed.items() if key != "params"})
