"""Settings of the machine, timed on the updates of a run's own game."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ganatomy.data.pipeline import collate
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.machine.choice import HALF, Choice
from ganatomy.training.machine.trial import Trial

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

BUDGET, SHARE = 1.5, 0.005
"""Seconds that timing takes, and the share of the run's own time where that is more."""
UPDATE = 0.08
"""Seconds of a timed update; the number of rows is chosen for it."""
GAIN, CROWDED = 1.04, 1.3
"""Smallest gain for which a setting is changed, so that noise chooses nothing; and for which threads are."""

Setting = tuple[bool, tuple[str, ...]]
"""Half precision, and the players with channels innermost."""
PLAIN: Setting = (False, ())


class Timing:
    """Times the updates of a copy of the game, round after round, until the time for it is over.

    On a CPU one thread is used, and its CPU time counts: other work on the machine changes it little.

    Args:
        cfg: Completed configuration.
        task: The task with its update.
        data: Data, of which some training items make the batch.
        device: Where the run computes.
    """

    def __init__(self, cfg: Config, task: AdversarialTask, data: DataModule, device: torch.device) -> None:
        self.cfg, self.device = cfg, device
        self.clock = time.process_time if device.type == "cpu" else time.perf_counter
        self.items = data.train_items()
        n_critic = cfg.update.n_critic
        step = max(1, n_critic - 1)  # both players learn, and lazy penalties rest
        fewest = max(2, cfg.update.accumulate)
        self.trial = Trial(copy.deepcopy(task), self._rows(fewest), device, step)
        self.begun = time.perf_counter()
        self.trial.seconds(*PLAIN, self.clock)
        once = self.trial.seconds(*PLAIN, self.clock) / fewest
        share = max(1, cfg.data.batch_size // (cfg.trainer.devices * cfg.trainer.num_nodes))
        rows = max(fewest, min(share, round(UPDATE / max(once, 1e-6))))
        if rows > fewest:
            self.trial.take(self._rows(rows))
        self.update = once * rows
        self.budget = max(BUDGET, SHARE * once * share * cfg.trainer.max_steps)

    def choose(self, start: Choice, half: bool, layouts: bool) -> Choice:
        """Return the fastest choice, starting from one.

        Args:
            start: Settings that were given, and the plain ones for all others.
            half: bfloat16 may be chosen.
            layouts: Channels last may be chosen.
        """
        now: Setting = start.precision == HALF, start.layout
        speed = 1.0
        if half:
            now, speed = self._fastest([now, (True, now[1])])
            start = start if now[0] else start.because("bfloat16 was tried and is not faster here")
        if layouts:
            players = [player for player in PLAYERS if getattr(self.trial.task, player) is not None]
            sets = [(), tuple(players), *((player,) for player in players)]
            now, gain = self._fastest([(now[0], each) for each in dict.fromkeys(sets)])
            speed *= gain
        precision = HALF if now[0] else start.precision
        return Choice(precision, now[1], start.threads, round(speed, 2), start.why)

    def crowded(self, threads: int) -> float:
        """Return the time of an update with so many threads over that with one, by the clock on the wall."""
        found: dict[int, list[float]] = {1: [], threads: []}
        for _ in range(3):
            for count, times in found.items():
                torch.set_num_threads(count)
                times.append(self.trial.seconds(*PLAIN, time.perf_counter))
        return statistics.median(found[threads][1:]) / statistics.median(found[1][1:])

    def _fastest(self, settings: Sequence[Setting]) -> tuple[Setting, float]:
        """Return the fastest setting, and how many times as fast as the first one it is.

        The first one stays unless another gains enough. All are timed in turn, round after round; the first
        round, which makes the kernels, does not count. Where time is short only the second one is tried.
        """
        left = self.budget - (time.perf_counter() - self.begun)
        tried = settings if 2 * len(settings) * self.update <= left else settings[:2]
        times: dict[Setting, list[float]] = {setting: [] for setting in tried}
        rounds = 0
        while rounds < 2 or (rounds < 6 and time.perf_counter() - self.begun < self.budget):
            for setting, found in times.items():
                found.append(max(self.trial.seconds(*setting, self.clock), 1e-9))
            rounds += 1
        first = times[tried[0]]
        gains = {
            setting: statistics.median(a / b for a, b in zip(first[1:], found[1:], strict=True))
            for setting, found in times.items()
        }
        best = max(gains, key=gains.__getitem__)
        return (best, gains[best]) if gains[best] >= GAIN else (tried[0], 1.0)

    def _rows(self, count: int) -> dict[str, object]:
        spread = [index * len(self.items) // count for index in range(count)]
        return collate([self.items[0, index] for index in spread])
