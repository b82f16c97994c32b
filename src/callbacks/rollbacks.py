"""Rollbacks of a run: listed in every checkpoint, and the first step after one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

import pytorch_lightning as pl

from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.tasks.base import AdversarialTask

Kind = TypeVar("Kind", bound=pl.Callback)


class Rollbacks(pl.Callback):
    """List the rollbacks before a checkpoint in it, so that it tells which game it is of.

    Args:
        made: Rollbacks so far, as status.json lists them.
        fresh: The last one has just been made: take the rates from the configuration, not from the
            checkpoint, and write last.ckpt before the first batch, so that it belongs to the new game.
    """

    def __init__(self, made: Sequence[dict[str, Any]], fresh: bool) -> None:
        self.made, self.fresh = list(made), fresh

    def state_dict(self) -> dict[str, Any]:
        return {"made": self.made}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        if self.fresh:
            renew_rates(pl_module)
            found(trainer, Checkpoints).due = True
            self.fresh = False


def found(trainer: pl.Trainer, kind: type[Kind]) -> Kind:
    """Return the trainer's callback of a class."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next(callback for callback in callbacks if isinstance(callback, kind))


def renew_rates(task: AdversarialTask) -> None:
    """Give optimisers and schedules the settings of the configuration, and leave moments as they are.

    A checkpoint holds rates, and what schedules were begun with; both would win over a rate that was changed.
    The new schedule is stepped as often as the old one was, so this is right for every schedule that depends
    on the number of steps alone.
    """
    players: list[str] = [player for player in task.players if task.recipe.schedulers.get(player) is not None]
    schedules = dict(zip(players, task._schedulers, strict=True))
    for player, wrapped in zip(task.players, task._optimizers(), strict=True):
        optimizer = task.recipe.optimizers[player](task.trainable(player).parameters())
        if player in schedules:
            make, old = task.recipe.schedulers[player], schedules[player]
            assert make is not None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it steps without its optimiser
                new = make(optimizer)
                for _ in range(old.last_epoch):
                    new.step()
            old.load_state_dict(new.state_dict())
        for group, renewed in zip(wrapped.optimizer.param_groups, optimizer.param_groups, strict=True):
            group.update({key: value for key, value in renewed.items() if key != "params"})
