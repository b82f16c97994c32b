"""Progress of a run: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ganatomy.runs.terminal import Terminal
from ganatomy.tasks.base import AdversarialTask, Batch

LINE_EVERY_SECONDS = 20.0


class TrainingProgress(pl.Callback):
    """Show steps done, time left, the latest losses and the latest validation score."""

    def __init__(self, kind: Literal["auto", "bar", "lines", "none"] = "auto") -> None:
        self.console = Terminal(stderr=True)
        self.kind = ("bar" if self.console.is_terminal else "lines") if kind == "auto" else kind
        self.bar: Progress | None = None
        self.score = ""
        self.begun = self.last_line = time.monotonic()
        self.first = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self.begun = self.last_line = time.monotonic()
        self.first = pl_module.batches_done
        if self.kind == "bar" and trainer.is_global_zero:
            self.bar = Progress(
                TextColumn("[bold]train"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=self.console,
            )
            self.bar.start()
            self.bar.add_task("train", total=trainer.max_steps, completed=self.first, note="")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        done = pl_module.batches_done
        if self.bar is not None:
            if done % pl_module.recipe.log_every == 0:
                self.bar.update(self.bar.task_ids[0], note=self._note(pl_module))
            self.bar.update(self.bar.task_ids[0], completed=done)
        elif (
            self.kind == "lines"
            and trainer.is_global_zero
            and time.monotonic() - self.last_line > LINE_EVERY_SECONDS
        ):
            self.last_line = time.monotonic()
            left = (self.last_line - self.begun) / max(1, done - self.first) * (trainer.max_steps - done)
            self.console.print(
                f"step {done}/{trainer.max_steps}, {left:.0f} s left, {self._note(pl_module)}",
                highlight=False,
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        value = trainer.callback_metrics.get(pl_module.monitor)
        if value is not None and not torch.as_tensor(value).isnan():
            self.score = f"{pl_module.monitor} {_figure(float(value))}"
        if self.kind == "lines" and trainer.is_global_zero and not trainer.sanity_checking:
            self.console.print(
                f"step {pl_module.batches_done}/{trainer.max_steps}, {self.score}", highlight=False
            )

    def _note(self, task: AdversarialTask) -> str:
        players = ("generator", "discriminator")
        values = [(p[0].upper(), task.latest.get(f"loss/{p}/total")) for p in players]
        losses = " ".join(f"{name} {_figure(float(value))}" for name, value in values if value is not None)
        return f"{losses}  {self.score}".strip()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._stop()


def _figure(value: float) -> str:
    """Return a number in few digits, however large it is."""
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.3g}"
