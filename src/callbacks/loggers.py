"""Loggers of the history and of pictures: metrics.csv, and W&B or TensorBoard."""

from __future__ import annotations

import functools
import logging
import sys
import uuid
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.callbacks.history import History
from ganatomy.config.mistakes.explain import explain
from ganatomy.config.schema import Config, WandbConfig
from ganatomy.errors import UserError
from ganatomy.runs.console import print_status
from ganatomy.runs.directory import Run
from ganatomy.runs.offline import stay_offline

if TYPE_CHECKING:
    from ganatomy.config.section import Plain


def build_loggers(cfg: Config, run: Run, resume_at: int | None) -> list[Logger]:
    """Build the loggers of a run.

    Args:
        cfg: Configuration of the run.
        run: Run directory.
        resume_at: Step at which a resumed run goes on; None for a new run.

    Raises:
        UserError: TensorBoard is not installed.
    """
    logger = cfg.logger
    if logger.name == "none":
        return []
    loggers: list[Logger] = [History(run.path / "metrics.csv", resume_at)]
    if isinstance(logger, WandbConfig):
        identity = _wandb_id(run)
        begin = functools.partial(_wandb, logger, cfg.to_plain(), run.path, identity)
        loggers.append(begin() if logger.mode == "online" else Expendable("W&B", begin))
    if logger.name == "tensorboard":
        if find_spec("tensorboard") is None and find_spec("tensorboardX") is None:
            raise UserError("logger=tensorboard: not installed; pip install 'ganatomy[tensorboard]'")
        purge = None if resume_at is None else resume_at + 1  # steps that are done again
        place: dict[str, Any] = {"name": "tensorboard", "version": "", "purge_step": purge}
        board = functools.partial(TensorBoardLogger, run.path, **place)
        loggers.append(Expendable("TensorBoard", board))
    return loggers


class Expendable(Logger):
    """Logger whose failure ends its logging, in one line, and not the run; the history is another's.

    Args:
        label: Name for that line.
        begin: Makes the logger.
    """

    ended: ClassVar[set[str]] = set()
    """Labels of those that failed in this process."""

    def __init__(self, label: str, begin: Callable[[], Logger]) -> None:
        super().__init__()
        self.ended.discard(label)
        self.label = label
        self.inner: Logger | None = None
        self.inner = self.attempt(begin)

    def attempt(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the logger; if it fails, that was the last call."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            self.inner = None
            self.ended.add(self.label)
            line = explain(error) if isinstance(error, OSError) else None
            why = (line or f"{type(error).__name__}: {error}").removeprefix("error: ").partition(";")[0]
            why = " ".join(why.split())[:300]
            print_status(f"logger: {self.label} ends here ({why}); the run goes on, metrics.csv has it all")
            return None

    @property
    def name(self) -> str | None:
        return self.inner.name if self.inner else None

    @property
    def version(self) -> int | str | None:
        return self.inner.version if self.inner else None

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self.inner:
            self.attempt(self.inner.log_metrics, metrics, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration has its own file, and W&B was given it when it began."""

    @rank_zero_only
    def save(self) -> None:
        if self.inner:
            self.attempt(self.inner.save)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self.inner:
            self.attempt(self.inner.finalize, status)


def _wandb_id(run: Run) -> str:
    """Return the id of the W&B run, which a resumed run keeps."""
    status = run.read("status.json") or {}
    identity = str(status.get("wandb_id") or uuid.uuid4().hex[:8])
    run.status(status.get("status", "running"), status.get("why", ""), wandb_id=identity)
    return identity


def _wandb(logger: WandbConfig, cfg: Plain, directory: Path, identity: str) -> WandbLogger:
    """Start a W&B run, or go on with it."""
    if logger.mode == "offline":
        stay_offline()
    import wandb

    logging.raiseExceptions = False  # W&B's own log file on a full disk: a traceback for each line of it
    experiment = wandb.init(  # not by Lightning, whose call makes W&B warn about a setting that was not set
        project=logger.project,
        name=directory.name,
        id=identity,
        dir=directory,
        mode=logger.mode,
        resume="allow",
        config={key: cfg[key] for key in ("task", "data", "model", "update", "trainer", "seed")},
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_meta=True,  # it has the command line as typed; environment.json has it without secrets
        ),
    )
    return WandbLogger(experiment=experiment)


def alert(loggers: Iterable[Logger], title: str, text: str) -> None:
    """Hand a warning to W&B, which shows it and may send it."""
    for logger in loggers:
        _of_wandb(logger, lambda experiment: experiment.alert(title=title, text=text))


def summarise(loggers: Iterable[Logger], values: dict[str, str]) -> None:
    """Add values to the summary of W&B's run."""
    for logger in loggers:
        _of_wandb(logger, lambda experiment: experiment.summary.update(values))


def _of_wandb(logger: Logger, call: Callable[[Any], None]) -> None:
    """Call a function of W&B's run, if the logger is of one."""
    inner = logger.inner if isinstance(logger, Expendable) else logger
    if not isinstance(inner, WandbLogger):
        return
    if isinstance(logger, Expendable):
        logger.attempt(call, inner.experiment)
    else:
        call(inner.experiment)


def close_wandb(exit_code: int) -> None:
    """End the W&B run of this process, if it began one; its failure is told and ends nothing else."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        try:
            wandb.finish(exit_code=exit_code)
        except Exception as error:
            if "W&B" not in Expendable.ended:
                print_status(f"logger: W&B could not end its run ({type(error).__name__}: {error})")


def show(loggers: Iterable[Logger], pictures: dict[str, np.ndarray], step: int) -> None:
    """Log pictures to each logger that can show them.

    Args:
        loggers: Loggers of the run.
        pictures: RGB pictures [H, W, 3], uint8, by name: all of a step in one call.
        step: Number of batches done.
    """
    for logger in loggers:
        if isinstance(logger, Expendable):
            if logger.inner:
                logger.attempt(_show, logger.inner, pictures, step)
        else:
            _show(logger, pictures, step)


def _show(logger: Logger, pictures: dict[str, np.ndarray], step: int) -> None:
    if isinstance(logger, WandbLogger):
        import wandb

        images = {name: wandb.Image(picture) for name, picture in pictures.items()}
        logger.experiment.log({**images, "trainer/global_step": step})
    elif isinstance(logger, TensorBoardLogger):
        for name, picture in pictures.items():
            logger.experiment.add_image(name, picture, step, dataformats="HWC")
