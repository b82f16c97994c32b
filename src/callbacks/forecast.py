"""Time of a run: a forecast after its first steps if it will take hours, at its end what it waited for."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.runs import console
from ganatomy.tasks.base import AdversarialTask, Batch

if TYPE_CHECKING:
    from ganatomy.config.schema import DataConfig, TrainerConfig

LONG = 3600.0
"""Seconds above which a forecast is printed."""
WARM, STEPS, ENOUGH = 1, 10, 60.0
"""Steps before the timing, which allocate buffers; timed steps; seconds after which fewer will do."""


WAITS, BRIEF = 0.1, 10.0
"""Share of the time, and seconds, spent waiting for data from which a run of one process says so."""


class Forecast(pl.Callback):
    """Time ten training steps, without validations between them, and print a forecast once.

    At the end of the training, print the shares of waiting where they matter. The device is not synchronised:
    after the first step, steps are queued as fast as they are computed.
    """

    def __init__(self, data: DataConfig, settings: TrainerConfig) -> None:
        self.data, self.settings = data, settings
        self.steps, self.seconds, self.since, self.printed = -WARM, 0.0, 0.0, False
        self.begun = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.begun = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how long the training waited for data and for the other processes."""
        assert isinstance(pl_module, AdversarialTask)
        spent = max(time.monotonic() - self.begun, 1e-9)
        reducing = pl_module.reduce.total() / spent
        waiting = getattr(trainer.train_dataloader, "wait_share", 0.0)
        if processes() == 1 and waiting * spent < BRIEF:
            return
        if line := waited(waiting, reducing, processes(), self.data.workers):
            console.print_status(line)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        if self.steps <= 0 and not self.printed:
            self.since = time.monotonic()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds += time.monotonic() - self.since

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.since = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Time the step with the loading of its batch; the first `WARM` steps do not count."""
        if self.printed or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, AdversarialTask)
        now = time.monotonic()
        self.steps += 1
        self.seconds, self.since = (self.seconds + now - self.since, now) if self.steps > 0 else (0.0, now)
        if self.steps < 1 or (self.steps < STEPS and self.seconds < ENOUGH):
            return
        self.printed = True
        left = int(trainer.max_steps) - pl_module.batches_done
        if line := forecast(self.data, self.settings, self.seconds / self.steps, left, cores()):
            console.print_status(line)


def forecast(data: DataConfig, trainer: TrainerConfig, each: float, left: int, cores: int) -> str:
    """Return a line on the time left and on how to shorten the run; empty if it is under an hour.

    Time is proportional to the steps, and about proportional to the images of a batch and the pixels of an
    image.

    Args:
        data: Section `data` of the configuration.
        trainer: Section `trainer` of the configuration.
        each: Seconds per step.
        left: Steps left.
        cores: CPU cores that this process may use.
    """
    if each * left <= LONG:
        return ""
    ways = [f"trainer.max_steps={max(1, int(LONG / each))} (an hour)"]
    if data.batch_size > 1:
        ways.append(f"data.batch_size={data.batch_size // 2} (about half)")
    key = "patch" if data.extra.get("patch") else "size"
    if (dims := data.extra.get("spatial_dims")) in (2, 3):
        part = "a quarter" if dims == 2 else "an eighth"
        ways.append(f"data.{key} of half the side (about {part})")
    ways.append("a smaller model (model.generator.channels)")
    if not torch.cuda.is_available() or trainer.accelerator == "cpu":
        threads = trainer.threads if isinstance(trainer.threads, int) else torch.get_num_threads()
        if threads < cores:
            ways.append(f"trainer.threads={cores} (now {threads})")
        ways.append("trainer.accelerator=auto" if torch.cuda.is_available() else "a machine with a GPU")
    rate = f"{1 / each:.2g} steps/s" if each < 1 else f"{each:.3g} s a step"
    return (
        f"about {_hours(each * left)} to go on this machine ({rate}, validations not counted); shorter: "
        + ("; ".join(ways))
    )


def waited(waiting: float, reducing: float, count: int, workers: int) -> str:
    """Return a line on the shares of the time that were not computing; empty where they do not matter.

    Args:
        waiting: Share spent waiting for data, of the first process.
        reducing: Share spent averaging gradients, waiting for the slowest process included.
        count: Processes that train.
        workers: Processes that load data for each of them.
    """
    if count == 1 and waiting <= WAITS:
        return ""
    line = f"time of training: {waiting:.1%} waiting for data"
    if count > 1:
        line += (
            f", {reducing:.1%} averaging gradients over {count} processes, waiting for each other included"
        )
    if waiting > WAITS:
        line += f"; less with data.workers={workers + 2}, if there are cores left, or with data.cache"
    return line


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h"
