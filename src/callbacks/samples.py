"""Sample pictures: drawn at each validation, saved in samples/ and logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl

from ganatomy.callbacks.loggers import show
from ganatomy.pictures import panel, save_png
from ganatomy.pictures.animation import animation
from ganatomy.runs.directory import Run, write_atomically
from ganatomy.tasks.base import AdversarialTask, Batch


class Samples(pl.Callback):
    """Draw the first `count` cases of each validation, and of the test, as one picture.

    The test adds the pictures of the task and, if it is `animated`, samples/training.gif of all validations.
    """

    def __init__(self, run: Run, count: int) -> None:
        self.run, self.count = run, count
        self.kept: list[dict[str, np.ndarray]] = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        *rest: Any,
        **more: Any,
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        if sum(len(next(iter(p.values()))) for p in self.kept if p) < self.count:
            self.kept.append(pl_module.sample_panels(batch, outputs["prediction"]))

    on_test_batch_end = on_validation_batch_end

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._draw(trainer, pl_module, f"step_{pl_module.batches_done:06d}", "validation")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._draw(trainer, pl_module, "test", "test")
        for name, found in pl_module.pictures.items():
            drawn = panel(found.columns, title=found.title, rows=found.rows)
            self._keep(trainer, pl_module, name, drawn, f"samples/{name}")
        frames = sorted(self.run.samples.glob("step_*.png"))
        if pl_module.animated and trainer.is_global_zero and len(frames) > 1:
            write_atomically(self.run.samples / "training.gif", animation(frames))

    def _draw(self, trainer: pl.Trainer, task: AdversarialTask, name: str, split: str) -> None:
        kept, self.kept = [pictures for pictures in self.kept if pictures], []
        if not kept or not trainer.is_global_zero:
            return
        # A task may show fewer columns of a small batch.
        shared = [key for key in kept[0] if all(key in pictures for pictures in kept)]
        columns = {key: on_one_size([pictures[key] for pictures in kept])[: self.count] for key in shared}
        picture = panel(columns, title=f"{split}, step {task.batches_done}", legends=task.legends)
        self._keep(trainer, task, name, picture, f"samples/{split}")

    def _keep(
        self, trainer: pl.Trainer, task: AdversarialTask, name: str, picture: np.ndarray, key: str
    ) -> None:
        if trainer.is_global_zero:
            save_png(self.run.samples / f"{name}.png", picture)
            show(trainer.loggers, {key: picture}, task.batches_done)


def on_one_size(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return pictures [n, height, width, 3] of cases of several sizes together; smaller ones end in black."""
    height, width = np.max([part.shape[1:3] for part in parts], axis=0)
    margins = [((0, 0), (0, height - part.shape[1]), (0, width - part.shape[2]), (0, 0)) for part in parts]
    return np.concatenate([np.pad(part, each) for part, each in zip(parts, margins, strict=True)])
