"""Times of a trial: steps (phases by their share of a run, penalties at every k-th) and evaluations."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

if TYPE_CHECKING:
    from ganatomy.tasks.base import AdversarialTask

WARM, STEPS, MOST = 3, 10, 40
"""Steps that are not timed, fewest and most timed ones."""
ENOUGH, LONGEST = 5.0, 40.0
"""Seconds of timed steps from which the fewest will do, and seconds after which they stop anyway."""


class Lap:
    """Time of an evaluation, of which the first batch and what follows the last come once.

    The first batch imports and warms up, the end draws pictures and writes: a trial of a few cases must not
    multiply them by all.
    """

    def __init__(self) -> None:
        self.begun = self.prepared = self.ended = 0.0
        self.batches: list[tuple[int, float]] = []

    def begin(self) -> None:
        """Start the lap."""
        self.begun = self.prepared = time.monotonic()
        self.batches = []

    def batch(self) -> None:
        """Note the start of a batch; the first ends what prepares the others."""
        if not self.batches:
            self.prepared = time.monotonic()

    def add(self, rows: int) -> None:
        """Note the end of a batch of so many rows."""
        self.batches.append((rows, time.monotonic()))

    def end(self) -> None:
        """End the lap."""
        self.ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds of the lap."""
        return self.ended - self.begun

    @property
    def preparing(self) -> float:
        """Return the seconds before the first batch: baselines are fitted."""
        return self.prepared - self.begun

    @property
    def further(self) -> float:
        """Return the seconds that as many rows again would add; without a second batch, all."""
        if not self.batches:
            return self.seconds
        (first, since), last = self.batches[0], self.batches[-1][1]
        rows = sum(rows for rows, _ in self.batches)
        return (last - since) * rows / (rows - first) if rows > first else self.seconds


class Clock(pl.Callback):
    """Times steps with the loading of their batches, a validation after them, and the test.

    Args:
        shares: Share of the run's steps that each of its phases has.
        period: Steps after which costs repeat, see `period_of`.
    """

    def __init__(self, shares: Sequence[float] = (1.0,), period: int = 1) -> None:
        self.shares, self.period = shares, period
        self.steps: list[list[float]] = [[] for _ in shares]
        self.since = self.begun = time.monotonic()
        self.validation, self.test = Lap(), Lap()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.since = self.begun = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        number = getattr(pl_module, "number", 0) if len(self.shares) > 1 else 0
        self.steps[number].append(now - self.since)
        self.since = now
        if number < len(self.shares) - 1:
            return
        timed, seconds = len(self.steps[-1]) - WARM, sum(self.steps[-1][WARM:])
        enough = timed >= max(STEPS, self.period) and (seconds > ENOUGH or timed >= MOST)
        if enough or (timed > 0 and now - self.begun > LONGEST):
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.validation.begin()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: int
    ) -> None:
        self.validation.add(len(batch["case"]))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.validation.end()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.test.begin()

    def on_test_batch_start(self, *_: Any) -> None:
        self.test.batch()

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: int
    ) -> None:
        self.test.add(len(batch["case"]))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.test.end()

    @property
    def step(self) -> float:
        """Return the seconds of a step, the mean over the phases."""
        each = (usual(steps[WARM:], self.period) for steps in self.steps)
        return sum(share * seconds for share, seconds in zip(self.shares, each, strict=True))


def usual(timed: Sequence[float], period: int) -> float:
    """Return the mean time of a step without the slowest tenth, which others' work made slow.

    Of steps that repeat after a period each has the same weight: what is dear every fourth time is not taken
    for slow.

    Args:
        timed: Seconds of successive steps, one at least.
        period: Steps after which costs repeat.

    Example:
        >>> usual([1, 1, 1, 5] * 10, 4), usual([1.0] * 9 + [7.0], 1)
        (2.0, 1.0)
    """
    period = min(period, len(timed))
    alike = (sorted(timed[place::period]) for place in range(period))
    return statistics.fmean(
        statistics.fmean(each[: len(each) - max(len(each) // 10, len(each) > 2)]) for each in alike
    )


def period_of(task: AdversarialTask) -> int:
    """Return after how many steps the costs repeat: penalties are due at every k-th."""
    further = getattr(task, "paths", None)
    every = [penalty.every for penalty in (*task.game.penalties, *([further] if further else []))]
    return min(math.lcm(*every), MOST)


def shortened(task: AdversarialTask, steps: int) -> list[float]:
    """Let each phase of a task but the last end after few steps; return the share of each in a run.

    Args:
        task: Changed in place.
        steps: Steps of the run.
    """
    phases = getattr(task, "phases", None)
    if not phases:
        return [1.0]
    ends = [0, *(phase.until for phase in phases[:-1]), steps]
    short = max(STEPS, period_of(task)) + WARM
    for number in range(len(phases) - 1):
        phases[number] = replace(phases[number], until=(number + 1) * short)
    return [(end - begin) / steps for begin, end in pairwise(ends)]
