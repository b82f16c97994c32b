"""Loggers of the history and of pictures: metrics.csv, and W&B or TensorBoard."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from ganatomy.callbacks.history import History
from ganatomy.config.schema import Config, WandbConfig
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run

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
        loggers.append(_wandb(logger, cfg.to_plain(), run))
    if logger.name == "tensorboard":
        try:
            loggers.append(TensorBoardLogger(save_dir=run.path, name="tensorboard", version=""))
        except ModuleNotFoundError as error:
            raise UserError(
                "logger=tensorboard: not installed; pip install 'ganatomy[tensorboard]'"
            ) from error
    return loggers


def _wandb(logger: WandbConfig, cfg: Plain, run: Run) -> WandbLogger:
    """Start a W&B run; a resumed run keeps its id."""
    import wandb

    status = run.read("status.json") or {}
    identity = status.get("wandb_id") or uuid.uuid4().hex[:8]
    run.status(status.get("status", "running"), status.get("why", ""), wandb_id=identity)
    experiment = wandb.init(  # not by Lightning, whose call makes W&B warn about a setting that was not set
        project=logger.project,
        name=run.path.name,
        id=identity,
        dir=run.path,
        mode=logger.mode,
        resume="allow",
        config={key: cfg[key] for key in ("task", "data", "model", "update", "trainer", "seed")},
        settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
    )
    return WandbLogger(experiment=experiment)


def alert(loggers: Iterable[Logger], title: str, text: str) -> None:
    """Hand a warning to W&B, which shows it and may send it."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.alert(title=title, text=text)


def summarise(loggers: Iterable[Logger], values: dict[str, str]) -> None:
    """Add values to the summary of W&B's run."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary.update(values)


def show(loggers: Iterable[Logger], pictures: dict[str, np.ndarray], step: int) -> None:
    """Log pictures to each logger that can show them.

    Args:
        loggers: Loggers of the run.
        pictures: RGB pictures [H, W, 3], uint8, by name: all of a step in one call.
        step: Number of batches done.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            images = {name: wandb.Image(picture) for name, picture in pictures.items()}
            logger.experiment.log({**images, "trainer/global_step": step})
        elif isinstance(logger, TensorBoardLogger):
            for name, picture in pictures.items():
                logger.experiment.add_image(name, picture, step, dataformats="HWC")
