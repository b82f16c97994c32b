"""End of a run that does not reach its end: a status that says what happened, and the loggers closed."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from ganatomy.runs.directory import Run


def fail(run: Run, trainer: pl.Trainer, error: BaseException) -> None:
    """Write a status that says what happened, and close the loggers.

    Args:
        run: Run directory.
        trainer: Trainer with its loggers.
        error: Error that ended the run, or the request to stop.

    Raises:
        SystemExit: The run was asked to stop; its checkpoint is written.
    """
    from ganatomy.callbacks.checkpoint import Preempted
    from ganatomy.callbacks.loggers import close
    from ganatomy.invocation import shown, typed
    from ganatomy.launch.ownership import Stopped
    from ganatomy.runs.reserve import last_status
    from ganatomy.training.results import failed_game

    stopped = isinstance(error, Preempted | Stopped)
    why, more = (str(error), {}) if stopped else (_reason(error), failed_game(trainer, error))
    lost = last_status(run, "preempted" if stopped else "failed", why, **more)
    if lost:
        sys.stderr.write(f"error: {lost}; it still tells of an earlier state\n")
    if run.is_rank_zero:
        with contextlib.suppress(OSError):
            run.timed()
    for logger in trainer.loggers:
        with contextlib.suppress(OSError):  # the reason is told already
            logger.save()
    close(trainer.loggers, 0 if stopped else 1)
    if isinstance(error, Preempted):
        if run.is_rank_zero:
            sys.stderr.write(f"{error}; go on with: {typed('train')} resume={shown(run.path)}\n")
        raise SystemExit(128 + error.signum) from None


def _reason(error: BaseException) -> str:
    """Return why a run failed, in one line."""
    from ganatomy.config.mistakes.explain import explain
    from ganatomy.launch.reports import is_peer_failure

    if is_peer_failure(error):
        return "another process ended"
    line = explain(error) if isinstance(error, Exception) else None
    why = line.removeprefix("error: ") if line else f"{type(error).__name__}: {error}"
    return " ".join(why.split())
