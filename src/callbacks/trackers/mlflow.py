"""MLflow, in a database of the run; no server is spoken to."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.callbacks.trackers.base import Tracker, flat

FOLDER = "mlflow"
AT_ONCE, LONGEST = 100, 500
"""Parameters that MLflow takes in a call, and characters of one."""


class MlflowTracker(Tracker):
    """Run in `mlflow/mlflow.db` of the run directory, its files in `mlflow/artifacts`.

    Args:
        project: MLflow's experiment.
        cfg: Configuration of the run, whose values become parameters.
        directory: Run directory.
        identity: MLflow's id of a run that goes on; empty for a new one.
    """

    def __init__(self, project: str, cfg: Mapping[str, Any], directory: Path, identity: str = "") -> None:
        super().__init__()
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        from mlflow import MlflowClient
        from mlflow.entities import Param

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
        folder = directory / FOLDER
        folder.mkdir(exist_ok=True)
        uri = f"sqlite:///{(folder / 'mlflow.db').absolute()}"
        self.project, self.client = project, MlflowClient(uri, uri)
        if identity:
            self.identity = identity
            self.client.update_run(identity, "RUNNING")
            return
        place = (folder / "artifacts").absolute().as_uri()
        experiment = self.client.create_experiment(project, artifact_location=place)
        self.identity = str(self.client.create_run(experiment, run_name=directory.name).info.run_id)
        values = [Param(_name(key), str(value)[:LONGEST]) for key, value in flat(cfg).items()]
        for some in (values[i : i + AT_ONCE] for i in range(0, len(values), AT_ONCE)):
            self.client.log_batch(self.identity, params=some)

    @property
    def name(self) -> str:
        return self.project

    @property
    def version(self) -> str:
        return self.identity

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        values = [Metric(_name(key), float(value), now, step or 0) for key, value in metrics.items()]
        self.client.log_batch(self.identity, metrics=values)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Say how the run stands; Lightning calls this after training and after the test."""
        self.client.set_terminated(self.identity, "FINISHED" if status == "success" else "FAILED")

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        for name, picture in pictures.items():
            self.client.log_image(self.identity, picture, key=_name(name), step=step)

    def alert(self, title: str, text: str) -> None:
        self.client.set_tag(self.identity, _name(f"alert.{title}"), text)

    def summarise(self, values: Mapping[str, str]) -> None:
        for key, value in values.items():
            self.client.set_tag(self.identity, _name(key), value)

    def keep(self, files: Sequence[Path], data_hash: str) -> None:
        self.client.set_tag(self.identity, "data_hash", data_hash)
        for file in files:
            self.client.log_artifact(self.identity, str(file), "model")

    def close(self, exit_code: int) -> None:
        self.client.set_terminated(self.identity, "FAILED" if exit_code else "FINISHED")


def _name(key: str) -> str:
    """Return a key in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", key)
