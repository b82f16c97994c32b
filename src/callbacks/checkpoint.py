"""Atomic checkpoints, and a stop on request that loses no step."""

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
    """Write checkpoints atomically, and load weights only: loading runs no code."""

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
    """Raised when the run stops on request, between two batches, after its checkpoint was written."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after {step} steps")
        self.signum = signum


class Checkpoints(pl.Callback):
    """Write last.ckpt every `every` steps, and best.ckpt at each better validation score.

    last.ckpt is written when the next batch begins: then the batches before it and their validation are
    done, so a run that resumes from it repeats and skips nothing.

    Attributes:
        due: Write last.ckpt when the next batch begins, whatever its number.
    """

    def __init__(self, run: Run, every: int) -> None:
        self.run, self.every = run, every
        self.best_score: float | None = None
        self.best_step = 0
        self.due = False
        self.stop_signal: int | None = None
        self._pending: tuple[Any, torch.Tensor] | None = None
        self._handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handlers: its handler of SIGTERM would end the process with code 0."""
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._request_stop) for number in SIGNALS}

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._restore()

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        if self.stop_signal is not None:  # second signal: stop immediately
            raise KeyboardInterrupt
        self.stop_signal = signum

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        done = pl_module.batches_done
        signum = self._agreed_signal()
        if signum is not None:
            self._save_last(trainer)
            raise Preempted(signum, done)
        if self.due or (done and done % self.every == 0):
            self.due = False
            self._save_last(trainer)

    def _agreed_signal(self, now: bool = False) -> int | None:
        """Return the stop signal that any process got, the same in all processes.

        The all-reduce is read one batch later, so that no process waits for it; `now=True` blocks.
        """
        if processes() == 1:
            return self.stop_signal
        before, self._pending = self._pending, None
        if before is not None:
            before[0].wait()
        answer = int(before[1]) if before is not None else 0
        flag = torch.tensor([self.stop_signal or 0])
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, async_op=True)
        if now:
            work.wait()
            return max(answer, int(flag)) or None
        self._pending = (work, flag)
        return answer or None

    def _save_last(self, trainer: pl.Trainer) -> None:
        """Save the history first, so that it never lags behind the checkpoint."""
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.run.last)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save a better score; write last.ckpt again after the last validation, which sets thresholds."""
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
        signum = self._agreed_signal(now=True)
        if signum is not None:
            raise Preempted(signum, pl_module.batches_done)


@contextlib.contextmanager
def ending_at_once(step: int) -> Iterator[None]:
    """Raise `Preempted` at once on a stop signal, for commands that do not train."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise Preempted(signum, step)

    with heard_by(end):
        yield
