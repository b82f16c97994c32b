"""Fitting baselines holds few images at a time, however many the data set has."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ganatomy.config.resolve import validate
from ganatomy.data.datamodule import DataModule
from ganatomy.metrics.detection import DetectionTable
from ganatomy.tasks.detection.baselines import fit_baselines as fit_detectors
from ganatomy.tasks.enhancement.baselines import fit_filters
from ganatomy.tasks.segmentation.baselines import fit_baselines as fit_maps
from ganatomy.training import build


class Alive:
    """Counts the images that a reader of cases has given and that are still held, at most."""

    def __init__(self) -> None:
        self.images: list[weakref.ref[np.ndarray]] = []
        self.most = 0

    def watch(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            case = dict(read(*args))
            case["image"] = np.array(case["image"])
            gc.collect()
            self.images.append(weakref.ref(case["image"]))
            self.most = max(self.most, sum(each() is not None for each in self.images))
            return case

        return watched


def opened(compose: Any, *words: str) -> DataModule:
    cfg = validate(compose(*words, "data.size=16", "data.subjects=40", "data.split=[10,8,2]", tiny=False))
    data = build.build_data(cfg)
    data.setup()
    return data


CASES: dict[str, tuple[list[str], Callable[[DataModule], Any], str, int]] = {
    "segmentation": (["data.slices=2"], lambda data: fit_maps(data, 4), "whole", 2),
    "detection": (
        ["data=brain_lesions", "data.slices=4", "data.radius=[10,20]"],
        lambda data: fit_detectors(data, lambda: DetectionTable(("lesion",), 2), "map50", 1),
        "whole",
        2,
    ),
    "enhancement": (["data.spatial_dims=3", "degradation=gaussian"], fit_filters, "evaluated", 2),
}


@pytest.mark.parametrize("task", CASES)
def test_few_images_are_held(compose: Any, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    words, fit, reader, few = CASES[task]
    data = opened(compose, f"task={task}", *words)
    alive = Alive()
    monkeypatch.setattr(type(data), reader, staticmethod(alive.watch(getattr(data, reader))))
    fit(data)
    assert len(alive.images) > 0
    assert alive.most <= few, f"{alive.most} images of {len(alive.images)} that were read"
    if reader == "evaluated":  # what is made of each image is kept
        assert len(alive.images) <= few < len(data.records["val"])


def test_images_that_choose_a_detector_are_read_one_by_one(
    compose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every detector sees an image before the next is read; all of them at once would fill the memory."""
    data = opened(compose, "task=detection", "data=brain_lesions", "data.slices=4", "data.radius=[10,20]")
    alive = Alive()
    monkeypatch.setattr(type(data), "evaluated", staticmethod(alive.watch(data.evaluated)))
    assert fit_detectors(data, lambda: DetectionTable(("lesion",), 2), "map50", 1)
    assert alive.most <= 2 < len(data.records["val"])
