"""Trackio, in a database of the run; no Space and no server is spoken to."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.callbacks.trackers.base import Tracker

ELSEWHERE = ("SPACE_ID", "SERVER_URL", "BUCKET_ID", "DATASET_ID", "WEBHOOK_URL")
"""Variables, after TRACKIO_, that would have Trackio send a run or its alerts."""


class TrackioTracker(Tracker):
    """Run in `trackio/` of the run directory; `TRACKIO_DIR=RUN/trackio trackio show` shows it.

    Args:
        project: Trackio's project.
        cfg: Configuration of the run.
        directory: Run directory.
        identity: Trackio's name of the run, which a resumed run keeps.
    """

    def __init__(self, project: str, cfg: Mapping[str, Any], directory: Path, identity: str) -> None:
        super().__init__()
        self.closed = False
        for name in ELSEWHERE:
            os.environ.pop(f"TRACKIO_{name}", None)
        os.environ |= {"TRACKIO_DIR": str((directory / "trackio").absolute()), "HF_HUB_OFFLINE": "1"}
        with _quietly():
            import trackio

            self.experiment = trackio.init(
                project=project,
                name=identity,
                config=dict(cfg),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    @property
    def name(self) -> str:
        return str(self.experiment.project)

    @property
    def version(self) -> str:
        return str(self.experiment.name)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.experiment.log(dict(metrics), step=step)

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        import trackio

        self.experiment.log({name: trackio.Image(picture) for name, picture in pictures.items()}, step=step)

    def alert(self, title: str, text: str) -> None:
        with _quietly():
            self.experiment.alert(title=title, text=text)

    def keep(self, files: Sequence[Path], data_hash: str) -> None:
        import trackio

        model = trackio.Artifact(f"model-{self.version}", "model", metadata={"data_hash": data_hash})
        for file in files:
            model.add_file(file)
        with _quietly():
            self.experiment.log_artifact(model)

    def close(self, exit_code: int) -> None:
        import trackio

        if not self.closed:
            self.closed = True
            with _quietly():
                trackio.finish()  # the run's own finish would be called, and print, at exit again


def _quietly() -> contextlib.redirect_stdout[io.StringIO]:
    """Keep what Trackio prints off the terminal: the last line of a run is its directory."""
    return contextlib.redirect_stdout(io.StringIO())
