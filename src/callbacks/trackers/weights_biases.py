"""Weights & Biases, offline unless asked otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.callbacks.trackers.base import Tracker
from ganatomy.config.schema import WandbConfig
from ganatomy.runs.offline import stay_offline

LABEL = "W&B"


class WandbTracker(Tracker, WandbLogger):
    """W&B's run: history, pictures, alerts, summary and artifacts.

    W&B's step is the number of batches done. Its own counter begins at 0 in each part of a run resumed
    offline, so that parts sent one after another would lie over each other. Online it goes on from the
    server's last step, and rows below that would be dropped: a part that repeats batches is moved behind it.
    """

    moved: int | None = None
    """Batches that W&B's steps are ahead of the run's; known once something is logged."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        run, step = self.experiment, step or 0
        if self.moved is None:
            self.moved = max(0, run.step - step)
        run.log({**metrics, "trainer/global_step": step}, step=max(step + self.moved, run.step))

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        import wandb

        self.log_metrics({name: wandb.Image(picture) for name, picture in pictures.items()}, step)

    def alert(self, title: str, text: str) -> None:
        self.experiment.alert(title=title, text=text)

    def summarise(self, values: Mapping[str, str]) -> None:
        self.experiment.summary.update(values)

    def keep(self, files: Sequence[Path], data_hash: str) -> None:
        """Log an artifact with the files, and one that stands for the data: its hash, and no image."""
        import wandb

        facts = {"data_hash": data_hash}
        model = wandb.Artifact(f"model-{self.experiment.id}", "model", metadata=facts)
        for file in files:  # immutable: the file in the run is named, not copied to a folder of W&B's
            model.add_file(str(file), policy="immutable", skip_cache=True)
        self.experiment.log_artifact(model)
        data = wandb.Artifact(f"data-{data_hash[:12]}", "dataset", metadata=facts)
        self.experiment.log_artifact(data)


def start(logger: WandbConfig, cfg: Mapping[str, Any], directory: Path, identity: str) -> WandbTracker:
    """Start a W&B run, or go on with it.

    Args:
        logger: Project and mode.
        cfg: Configuration of the run, which W&B shows.
        directory: Run directory.
        identity: W&B's id of the run.
    """
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
        config=dict(cfg),
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            host="",
            save_code=False,
            x_disable_meta=True,  # it has the command line as typed; environment.json has it without secrets
        ),
    )
    return WandbTracker(experiment=experiment)


def close_wandb(exit_code: int) -> str:
    """End the W&B run of this process, if it began one; return why that failed, empty if it did not."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        try:
            wandb.finish(exit_code=exit_code)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""
