"""Baselines of segmentation, fitted on the training cases of a run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganatomy.baselines.segmentation import Baselines
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import IGNORED


def fit_baselines(data: DataModule, classes: int) -> Baselines:
    """Fit the baselines on the training cases whose labels are used, where these count.

    Args:
        data: Data of the run.
        classes: Number of classes, background included.
    """
    records = data.labels.used(data.records["train"])

    def cohort() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for case in map(data.whole, records):
            image, label = case["image"], case["label"]
            if "mask" in case:
                known = label.astype(np.result_type(label.dtype, np.int8))
                label = np.where(case["mask"], known, known.dtype.type(IGNORED))
            if data.sliced:
                image, label = np.moveaxis(image, 0, -1), np.moveaxis(label, 0, -1)
            yield image.mean(0), label[0]

    return Baselines.fitted(cohort, classes)
