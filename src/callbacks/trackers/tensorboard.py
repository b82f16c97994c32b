"""TensorBoard, in event files of the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger

from ganatomy.callbacks.trackers.base import Tracker


class TensorBoardTracker(Tracker, TensorBoardLogger):
    """Event files with the history and pictures."""

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        for name, picture in pictures.items():
            self.experiment.add_image(name, picture, step, dataformats="HWC")
