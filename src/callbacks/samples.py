"""Sample pictures: drawn at each validation, kept in samples/ and shown by every logger that can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl

from src.callbacks.loggers import show
from src.core.run import Run
from src.tasks.base import AdversarialTask


class Samples(pl.Callback):
    """The first `count` cases of validation (and of the final test) as one picture a pass."""

    def __init__(self, run: Run, count: int) -> None:
        self.run, self.count = run, count
        self.kept: list[dict[str, np.ndarray]] = []

    def _keep(self, task: pl.LightningModule, outputs: Any, batch: Any) -> None:
        assert isinstance(task, AdversarialTask)
        if sum(len(next(iter(p.values()))) for p in self.kept if p) < self.count:
            self.kept.append(task.samples(batch, outputs["prediction"]))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._keep(pl_module, outputs, batch)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._keep(pl_module, outputs, batch)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._draw(trainer, pl_module, f"step_{pl_module.batches_done:06d}", "validation")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._draw(trainer, pl_module, "test", "test")

    def _draw(self, trainer: pl.Trainer, task: AdversarialTask, name: str, split: str) -> None:
        kept, self.kept = [pictures for pictures in self.kept if pictures], []
        if not kept or not trainer.is_global_zero:
            return
        from src.pictures import panel, save_png

        columns = {key: np.concatenate([pictures[key] for pictures in kept])[: self.count] for key in kept[0]}
        picture = panel(columns, title=f"{split}, step {task.batches_done}", legends=task.legends)
        save_png(self.run.samples / f"{name}.png", picture)
        show(trainer.loggers, {f"samples/{split}": picture}, task.batches_done)
