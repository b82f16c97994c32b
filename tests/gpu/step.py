"""One training step of a default game as Lightning takes it, on any device, without the Trainer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from ganatomy.config.resolve import validate
from ganatomy.tasks.base import AdversarialTask
from ganatomy.training import build, preflight
from tests.conftest import composed

SMALL = [
    "data.batch_size=4",
    "trainer.max_steps=20",
    "trainer.val_every=10",
    "trainer.log_every=100",
    "trainer.precision=32-true",
    "trainer.channels_last=false",
    "trainer.threads=1",
]
GAMES = {
    "segmentation": ["data.subjects=6", "data.slices=3"],
    "enhancement": ["data.subjects=6", "data.slices=3"],
    "detection": ["data.subjects=6", "data.slices=3"],
    "anomaly": ["data.subjects=24", "data.slices=3"],
    "synthesis": ["data.subjects=6", "data.slices=3"],
}


class Player:
    """An optimiser as Lightning wraps it: its gradients are checked before it steps."""

    def __init__(self, task: AdversarialTask, optimizer: torch.optim.Optimizer) -> None:
        self.task, self.optimizer = task, optimizer

    def step(self, closure: Any = None) -> None:
        self.task.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()


class Played:
    """A game with its batches, ready to step.

    Args:
        name: One of GAMES.
        device: Where it is played; "meta" computes nothing and holds no values.
        more: Further words of the configuration.
    """

    def __init__(self, name: str, device: str, *more: str) -> None:
        cfg = validate(composed(f"task={name}", *GAMES[name], *SMALL, *more, tiny=False))
        data = build.build_data(cfg)
        data.setup()
        cfg = build.complete(cfg, data)
        self.task = build.build_task(cfg, data.mask_classes)
        preflight.plan_update(cfg.update, self.task, data)
        self.task.to(device)
        self.device = torch.device(device)
        self._be_trained()
        self.batches = [batch for batch, _ in zip(data.train_dataloader(), range(3), strict=False)]

    def _be_trained(self) -> None:
        """Give the task what Lightning's Trainer would."""
        task: Any = self.task.train()
        optimizers, _ = task.configure_optimizers()
        if self.device.type == "meta":  # which torch's fused kernels do not know
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["fused"] = None
        players = [Player(task, optimizer) for optimizer in optimizers]
        task.optimizers = lambda: players
        strategy = SimpleNamespace(optimizer_step=lambda optimizer, **_: Player(task, optimizer).step())
        plugin = SimpleNamespace(scaler=None)
        task.trainer = SimpleNamespace(strategy=strategy, precision_plugin=plugin, loggers=[], max_steps=20)
        if isinstance(self.task, nn.Module) and hasattr(task, "on_fit_start"):
            task.on_fit_start()

    def step(self, number: int, watch: AbstractContextManager[Any] | None = None) -> None:
        """Take one step; `watch` is entered when the batch is on the device."""
        batch = self.batches[number % len(self.batches)]
        batch = self.task.transfer_batch_to_device(batch, self.device, 0)
        with watch or nullcontext():
            self.task.training_step(batch, number)
