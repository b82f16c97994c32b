"""Checkpoints that a kill cannot spoil, and a stop that loses nothing."""

from __future__ import annotations

import contextlib
import io
import math
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.plugins.io import CheckpointIO
from pytorch_lightning.trainer.states import TrainerFn

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.launch.signals import SIGNALS, heard_by
from ganatomy.runs.directory import Run, write_atomically
from ganatomy.tasks.base import AdversarialTask, Batch


class AtomicCheckpointIO(CheckpointIO):
    """A file is the old checkpoint or the new one, never half of one; loading runs no code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = True
    ) -> Any:
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Preempted(Exception):
    """The run was asked to stop, and did so between two batches with its checkpoint written."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after {step} steps")
        self.signum = signum


class Checkpoints(pl.Callback):
    """Writes last.ckpt every `every` steps and best.ckpt at each better validation score.

    last.ckpt is written when the next batch begins: by then all of the batches before it, validation
    included, is done, so going on from it repeats and skips nothing.
    """

    def __init__(self, run: Run, every: int) -> None:
        self.run, self.every = run, every
        self.best_score: float | None = None
        self.best_step = 0
        self.asked: int | None = None
        self._question: tuple[Any, torch.Tensor] | None = None
        self._handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning has set its own handlers by now, of which SIGTERM's would end the process with code 0."""
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._ask) for number in SIGNALS}

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._restore()

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        if self.asked is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self.asked = signum

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        done = pl_module.batches_done
        asked = self._agreed()
        if asked is not None:
            self._save_last(trainer)
            raise Preempted(asked, done)
        if done and done % self.every == 0:
            self._save_last(trainer)

    def _agreed(self, now: bool = False) -> int | None:
        """The signal that any process got, the same in all of them.

        One batch late, so that nobody waits for the answer; now: wait for it.
        """
        if processes() == 1:
            return self.asked
        before, self._question = self._question, None
        if before is not None:
            before[0].wait()
        answer = int(before[1]) if before is not None else 0
        flag = torch.tensor([self.asked or 0])
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, async_op=True)
        if now:
            work.wait()
            return max(answer, int(flag)) or None
        self._question = (work, flag)
        return answer or None

    def _save_last(self, trainer: pl.Trainer) -> None:
        """The history first: it never lags behind the checkpoint."""
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.run.last)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep a better score; the validation after the last step finds last.ckpt written already,
        without the thresholds that it sets.
        """
        assert isinstance(pl_module, AdversarialTask)
        score = pl_module.final[pl_module.monitor]
        gained = pl_module.direction * (score - self.best_score) if self.best_score is not None else 1.0
        if gained > 0 or (math.isnan(gained) and not math.isnan(score)):
            self.best_score, self.best_step = score, pl_module.batches_done
            trainer.save_checkpoint(self.run.best)
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._save_last(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._restore()
        self._save_last(trainer)
        asked = self._agreed(now=True)
        if asked is not None:
            raise Preempted(asked, pl_module.batches_done)


@contextlib.contextmanager
def ending_at_once(step: int) -> Iterator[None]:
    """Where nothing is trained, a request to stop is followed there and then."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise Preempted(signum, step)

    with heard_by(end):
        yield
