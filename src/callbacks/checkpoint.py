"""Atomic checkpoints, and a stop on request that loses no step."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
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
from ganatomy.runs.checkpoints import checkpoint_file, rotation
from ganatomy.runs.checkpoints.identity import KEY
from ganatomy.runs.directory import Run
from ganatomy.tasks.base import AdversarialTask, Batch


class AtomicCheckpointIO(CheckpointIO):
    """Write checkpoints atomically with a checksum; check it at loading, and load weights only.

    Args:
        keep: Number of last checkpoints to keep.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        rotation.write(Path(path), checkpoint_file.encode(checkpoint), self.keep)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = True
    ) -> Any:
        return checkpoint_file.load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


FIRST_WITHIN = 60.0
"""Seconds after which the first checkpoint is written, unless a validation or `every` comes sooner."""


class Preempted(Exception):
    """Raised when the run stops on request, between two batches, after its checkpoint was written."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after {step} steps")
        self.signum = signum


class Checkpoints(pl.Callback):
    """Write last.ckpt every `every` steps, and best.ckpt at each better validation score.

    last.ckpt is written when the next batch begins: then the batches before it and their validation are
    done, so a run that resumes from it repeats and skips nothing. The first one comes after the first
    validation or FIRST_WITHIN seconds, whichever is sooner.

    Attributes:
        due: Write last.ckpt when the next batch begins, whatever its number.
    """

    def __init__(self, run: Run, every: int) -> None:
        self.run, self.every = run, every
        self.best_score: float | None = None
        self.best_step = 0
        self.missing_best: dict[str, Any] | None = None
        self.due = False
        self.stop_signal: int | None = None
        self._begun = time.monotonic()
        self._saved = self._validated = False
        self._pending: tuple[Any, torch.Tensor] | None = None
        self._handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_step": self.best_step, "missing_best": self.missing_best}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the name of the run."""
        checkpoint[KEY] = self.run.identity

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best score of the checkpoint, unless the weights that had it are gone."""
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]
        self.missing_best, self._saved = state_dict.get("missing_best"), True
        missing = self.run.resumption.missing_best if self.run.resumption is not None else None
        if missing is not None and self.best_score is not None and self.best_step == missing:
            if self.missing_best is None:
                self.missing_best = {"score": self.best_score, "step": self.best_step}
            self.best_score, self.best_step = None, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handlers: its handler of SIGTERM would end the process with code 0."""
        self._begun = time.monotonic()
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
        signum, first = self._agreed()
        if signum is not None:
            self._save_last(trainer)
            raise Preempted(signum, done)
        first = not self._saved and (first or self._validated)
        if self.due or (done and (first or done % self.every == 0)):
            self.due = False
            self._save_last(trainer)

    def _agreed(self, now: bool = False) -> tuple[int | None, bool]:
        """Return the stop signal that any process got, and True once rank zero wants a first checkpoint.

        The answer is the same in all processes. The all-reduce is read one batch later, so that no process
        waits for it; `now=True` blocks.
        """
        late = not self._saved and self.run.is_rank_zero and time.monotonic() - self._begun >= FIRST_WITHIN
        if processes() == 1:
            return self.stop_signal, late
        before, self._pending = self._pending, None
        if before is not None:
            before[0].wait()
        known = before[1] if before is not None else torch.zeros(2, dtype=torch.long)
        flags = torch.tensor([self.stop_signal or 0, int(late)])
        work = dist.all_reduce(flags, dist.ReduceOp.MAX, async_op=True)
        if now:
            work.wait()
            known = torch.maximum(known, flags)
        else:
            self._pending = (work, flags)
        return int(known[0]) or None, bool(known[1])

    def _save_last(self, trainer: pl.Trainer) -> None:
        self._save(trainer, self.run.last)
        self._saved = True

    def _save(self, trainer: pl.Trainer, path: Path) -> None:
        """Save the history first, so that it never lags behind a checkpoint."""
        for logger in trainer.loggers:
            logger.save()
        self.run.keep_copy("metrics.csv")
        trainer.save_checkpoint(path)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save a better score; write last.ckpt again after the last validation, which sets thresholds."""
        assert isinstance(pl_module, AdversarialTask)
        self._validated = True
        score, better = pl_module.final[pl_module.monitor], pl_module.direction
        if _beats(score, self.best_score, better):
            self.best_score, self.best_step = score, pl_module.batches_done
            if self.missing_best is not None and _beats(score, self.missing_best["score"], better):
                self.missing_best = None
            self._save(trainer, self.run.best)
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._save_last(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdversarialTask)
        self._restore()
        self._save_last(trainer)
        signum, _ = self._agreed(now=True)
        if signum is not None:
            raise Preempted(signum, pl_module.batches_done)


def _beats(score: float, other: float | None, direction: int) -> bool:
    """Return True if a score is better than another one; any is better than none or an undefined one."""
    gained = direction * (score - other) if other is not None else 1.0
    return gained > 0 or (math.isnan(gained) and not math.isnan(score))


@contextlib.contextmanager
def ending_at_once(step: int) -> Iterator[None]:
    """Raise `Preempted` at once on a stop signal, for commands that do not train."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise Preempted(signum, step)

    with heard_by(end):
        yield
