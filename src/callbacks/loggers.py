"""Where the history and the pictures go: metrics.csv always, W&B or TensorBoard beside it."""

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
    """The loggers of a run; `resume_at` is the step at which a resumed run goes on."""
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
    """A resumed run goes on under the same id."""
    import wandb

    status = run.read("status.json") or {}
    identity = status.get("wandb_id") or uuid.uuid4().hex[:8]
    run.status(status.get("status", "running"), status.get("why", ""), wandb_id=identity)
    experiment = wandb.init(  # by ourselves: Lightning's call makes W&B warn about a setting nobody set
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


def show(loggers: Iterable[Logger], pictures: dict[str, np.ndarray], step: int) -> None:
    """Give RGB pictures [H, W, 3] uint8 to each logger that can show them, all of a step in one call."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            images = {name: wandb.Image(picture) for name, picture in pictures.items()}
            logger.experiment.log({**images, "trainer/global_step": step})
        elif isinstance(logger, TensorBoardLogger):
            for name, picture in pictures.items():
                logger.experiment.add_image(name, picture, step, dataformats="HWC")
