"""Loggers of the history and of pictures: metrics.csv, and a tracker that was chosen."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import Logger

from ganatomy.callbacks.history import History
from ganatomy.callbacks.trackers import weights_biases
from ganatomy.callbacks.trackers.base import Tracker
from ganatomy.callbacks.trackers.expendable import Expendable
from ganatomy.config.schema import Config, TrackerConfig, WandbConfig
from ganatomy.errors import UserError
from ganatomy.runs.console import print_status
from ganatomy.runs.directory import Run

if TYPE_CHECKING:
    from ganatomy.config.section import Plain

KEPT = ("generator.safetensors", "config.yaml", "preprocessing.json", "metrics.json")
"""Files of a run that a tracker keeps with logger.artifacts=true: what it takes to apply the run."""


PACKAGES = {"mlflow": ("mlflow",), "trackio": ("trackio",), "tensorboard": ("tensorboard", "tensorboardX")}
"""Choice of a logger -> the modules of which it needs one."""


def check_installed(choice: str) -> None:
    """Raise UserError, with what to install, for a logger whose package is not there."""
    modules = PACKAGES.get(choice, ())
    if modules and not any(map(find_spec, modules)):
        raise UserError(f"logger={choice}: not installed; pip install 'ganatomy[{choice}]'")


def build_loggers(cfg: Config, run: Run, resume_at: int | None) -> list[Logger]:
    """Build the loggers of a run.

    Args:
        cfg: Configuration of the run.
        run: Run directory.
        resume_at: Step at which a resumed run goes on; None for a new run.
    """
    logger = cfg.logger
    if logger.name == "none":
        return []
    loggers: list[Logger] = [History(run.path / "metrics.csv", resume_at)]
    plain = cfg.to_plain()
    shown = {key: plain[key] for key in ("task", "data", "model", "update", "trainer", "seed")}
    if isinstance(logger, WandbConfig):
        identity = _identity(run, "wandb_id", uuid.uuid4().hex[:8])
        begin = functools.partial(weights_biases.start, logger, shown, run.path, identity)
        online = logger.mode == "online"
        loggers.append(begin() if online else Expendable(weights_biases.LABEL, begin))
    elif isinstance(logger, TrackerConfig):
        loggers.append(Expendable(*_tracker(logger, shown, run)))
    elif logger.name == "tensorboard":
        loggers.append(Expendable("TensorBoard", _tensorboard(run, resume_at)))
    return loggers


def _tracker(logger: TrackerConfig, shown: Plain, run: Run) -> tuple[str, Callable[[], Tracker]]:
    """Return the name of MLflow or Trackio, and what makes its tracker."""
    if logger.name == "trackio":
        from ganatomy.callbacks.trackers.trackio import TrackioTracker

        identity = _identity(run, "trackio_id", run.path.name)
        return "Trackio", lambda: TrackioTracker(logger.project, shown, run.path, identity)

    def mlflow() -> Tracker:
        from ganatomy.callbacks.trackers.mlflow import MlflowTracker

        tracker = MlflowTracker(logger.project, shown, run.path, _identity(run, "mlflow_id", ""))
        _identity(run, "mlflow_id", tracker.identity)
        return tracker

    return "MLflow", mlflow


def _tensorboard(run: Run, resume_at: int | None) -> Callable[[], Tracker]:
    from ganatomy.callbacks.trackers.tensorboard import TensorBoardTracker

    purge = None if resume_at is None else resume_at + 1  # steps that are done again
    place: dict[str, Any] = {"name": "tensorboard", "version": "", "purge_step": purge}
    return functools.partial(TensorBoardTracker, run.path, **place)


def _identity(run: Run, key: str, first: str) -> str:
    """Return a tracker's id of the run, which a resumed run keeps; `first` is that of a new one."""
    status = run.read("status.json") or {}
    identity = str(status.get(key) or first)
    if identity:
        run.status(status.get("status", "running"), status.get("why", ""), **{key: identity})
    return identity


def alert(loggers: Iterable[Logger], title: str, text: str) -> None:
    """Hand a warning to the trackers, which show it and may send it."""
    for tracker in _trackers(loggers):
        tracker.alert(title, text)


def summarise(loggers: Iterable[Logger], values: dict[str, str]) -> None:
    """Add values to what the trackers show of the whole run."""
    for tracker in _trackers(loggers):
        tracker.summarise(values)


def show(loggers: Iterable[Logger], pictures: dict[str, np.ndarray], step: int) -> None:
    """Log pictures to each logger that can show them.

    Args:
        loggers: Loggers of the run.
        pictures: RGB pictures [H, W, 3], uint8, by name: all of a step in one call.
        step: Number of batches done.
    """
    for tracker in _trackers(loggers):
        tracker.show(pictures, step)


def keep(loggers: Iterable[Logger], run: Run) -> None:
    """Hand the weights of a finished run to the trackers, with the hash of its data."""
    files = [path for name in KEPT if (path := run.path / name).is_file()]
    data_hash = str((run.read("data.json") or {}).get("hash", ""))
    for tracker in _trackers(loggers):
        tracker.keep(files, data_hash)


def close(loggers: Iterable[Logger], exit_code: int) -> None:
    """End the runs of the trackers; a failure is told and ends nothing else."""
    for tracker in _trackers(loggers):
        tracker.close(exit_code)
    why = weights_biases.close_wandb(exit_code)
    if why and weights_biases.LABEL not in Expendable.ended:
        print_status(f"logger: W&B could not end its run ({why})")


def _trackers(loggers: Iterable[Logger]) -> list[Tracker]:
    return [logger for logger in loggers if isinstance(logger, Tracker)]
