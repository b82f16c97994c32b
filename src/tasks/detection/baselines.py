"""Baselines of detection: a thresholding detector, a watershed of its parts, and one mean box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ganatomy.baselines.detection import (
    MOST,
    Boxes,
    MeanBox,
    ThresholdDetector,
    mean_box,
    sizes_of,
    threshold_detectors,
)
from ganatomy.baselines.watershed import WatershedDetector, watershed_detectors
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image

MAX_IMAGES = 48
"""Validation images, at most, on which the thresholding detector is chosen."""


AnyDetector = ThresholdDetector | WatershedDetector | MeanBox

KINDS: Mapping[str, type[AnyDetector]] = {
    "threshold": ThresholdDetector,
    "watershed": WatershedDetector,
    "mean_box": MeanBox,
}
"""The baselines by name."""


class Fitted(NamedTuple):
    """A detector and the score from which on its boxes count."""

    detector: AnyDetector
    threshold: float


def states(fitted: Mapping[str, Fitted]) -> dict[str, np.ndarray]:
    """Return arrays, `<baseline>/<array>`, from which `from_states` makes the same baselines."""
    found = {
        f"{name}/{key}": array
        for name, each in fitted.items()
        for key, array in each.detector.state().items()
    }
    return found | {f"{name}/threshold": np.array(each.threshold) for name, each in fitted.items()}


def from_states(arrays: Mapping[str, np.ndarray]) -> dict[str, Fitted]:
    """Return the baselines that gave these arrays; those that gave none are left out."""
    found = {}
    for name, kind in KINDS.items():
        own = {key.partition("/")[2]: array for key, array in arrays.items() if key.startswith(f"{name}/")}
        if own:
            found[name] = Fitted(kind.from_state(own), float(own["threshold"]))
    return found


def fit_baselines(
    data: DataModule,
    make_table: Callable[[], DetectionTable],
    score: str,
    class_count: int,
    max_detections: int = MOST,
) -> dict[str, Fitted]:
    """Choose the threshold and the watershed that score best on validation images; fit the mean box.

    Sizes of boxes come from the training boxes that are used. Empty if there are none.

    Args:
        data: The prepared data module.
        make_table: Returns an empty score table.
        score: Name of the table's score that chooses; higher is better. mAP50, if it has no such score.
        class_count: Number of box classes.
        max_detections: Boxes per image, at most.

    Returns:
        "threshold", "watershed" and "mean_box".
    """
    boxes, classes = [], []
    for case in map(data.whole, data.labels.used(data.records["train"])):  # images are let go at once
        boxes.append(case["boxes"])
        classes.append(case["classes"])
    if not sum(map(len, boxes)):
        return {}
    records = data.records["val"]
    numbers = np.linspace(0, len(records) - 1, min(len(records), MAX_IMAGES)).round().astype(int)
    sizes = sizes_of(np.concatenate(boxes), np.concatenate(classes), class_count)

    def examples() -> Iterator[Case]:  # read anew each time: volumes would fill the memory
        return (data.evaluated(records[n]) for n in numbers)

    def images() -> Iterator[np.ndarray]:
        return (case["image"] for case in examples())

    score = score if score in make_table().compute() else "map50"

    def best(detectors: Sequence[AnyDetector]) -> Fitted:
        tables = [make_table() for _ in detectors]
        for number, case in enumerate(examples()):
            for detector, table in zip(detectors, tables, strict=True):
                _add(table, str(number), case, detector(case["image"]))
        scored = [(*_score(table, score), each) for table, each in zip(tables, detectors, strict=True)]
        _, threshold, chosen = max(scored, key=lambda found: found[0])  # the first of equal ones
        return Fitted(chosen, threshold)

    threshold = best(threshold_detectors(images(), sizes, max_detections))
    assert isinstance(threshold.detector, ThresholdDetector)
    return {
        "threshold": threshold,
        "watershed": best(watershed_detectors(images(), sizes, threshold.detector, max_detections)),
        "mean_box": best([mean_box(boxes, classes)]),
    }


def _add(table: DetectionTable, name: str, case: Case, found: Boxes) -> None:
    shape = np.array(case["image"].shape[1:])
    truth = (case["boxes"], case["classes"])
    table.update(Image(name, *found, *truth, shape, found[0], case["boxes"]))


def _score(table: DetectionTable, score: str) -> tuple[float, float]:
    """Return a table's score, -1 if undefined, and its best score threshold."""
    threshold = table.choose()
    value = float(table.compute()[score])
    return (value if np.isfinite(value) else -1.0), float("inf") if threshold is None else threshold
