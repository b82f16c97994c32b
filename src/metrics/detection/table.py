"""Scores of images with boxes, gathered over batches and processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric, first_places
from ganatomy.metrics.detection.curves import RATES, Steps, average_precision, best_threshold, froc, steps
from ganatomy.metrics.detection.matching import match
from ganatomy.metrics.finite import refuse_not_finite

LEAST = tuple(np.round(np.arange(0.1, 0.96, 0.05), 2).tolist())
MEANS = {
    "map": [v for v in LEAST if v >= 0.5],
    "map50": [0.5],
    "map75": [0.75],
    "map30": [0.3],
    "map_lesion": [v for v in LEAST if v <= 0.5],
}
"""Mean average precisions, and the IoU thresholds that each is the mean over."""
BY_CLASS = ("map50", "map75")
"""Scores that are also given per class."""


@dataclass(frozen=True)
class Image:
    """Detections and truth of one image.

    Attributes:
        case: Name of the case.
        boxes: Detected boxes [N, 2*dims] on the network's grid.
        scores: Their scores [N].
        classes: Their classes [N].
        truth: True boxes [M, 2*dims] on the network's grid.
        truth_classes: Their classes [M].
        shape: Shape [dims] of the file's grid.
        file_boxes: Detected boxes [N, 2*dims] on the file's grid.
        file_truth: True boxes [M, 2*dims] on the file's grid.
    """

    case: str
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    truth: np.ndarray
    truth_classes: np.ndarray
    shape: np.ndarray
    file_boxes: np.ndarray
    file_truth: np.ndarray


class DetectionTable(CaseMetric):
    """Scores of boxes over images.

    Args:
        classes: Names of the classes.
        dims: Number of spatial axes.
        match_iou: Least IoU of a hit, for FROC, sensitivity and the score threshold.

    Attributes:
        threshold: Score from which on boxes count; None for the one with the largest F1 on these images.
    """

    heads: Any
    found: Any
    truths: Any

    def __init__(self, classes: Sequence[str], dims: int, match_iou: float = 0.3) -> None:
        super().__init__("heads", "found", "truths")
        self.classes, self.dims, self.match_iou = tuple(classes), dims, match_iou
        self.threshold: float | None = None

    def update(self, image: Image) -> None:
        """Add one image; ValueError for a name that is too long, or values that are not finite."""
        refuse_not_finite(image.case, image.boxes, image.scores, image.truth)
        found = (image.classes[:, None], image.scores[:, None], image.boxes, image.file_boxes)
        self.keep(
            image.case,
            heads=[len(image.boxes), len(image.truth), *image.shape],
            found=np.concatenate(found, 1),
            truths=np.concatenate((image.truth_classes[:, None], image.truth, image.file_truth), 1),
        )

    def compute(self) -> dict[str, Tensor]:
        """Return flat names to 0-dim tensors; NaN without an object, or without an image without objects."""
        images = self.images()
        found = self._scores(images, self._matched(images))
        return {name: torch.tensor(value) for name, value in found.items()}

    def bootstrap(
        self, subjects: Mapping[str, int], draws: int = 200, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Return the percentiles 2.5 and 97.5 of each score over draws of subjects, with all of their images.

        Args:
            subjects: Number of the subject of each image, by the image's name.
            draws: Number of draws; those in which a score is undefined do not count for it.
            seed: Seed of the draws.
        """
        images = self.images()
        hits = self._matched(images)
        owners, rng = np.array([subjects[image.case] for image in images]), np.random.default_rng(seed)
        places = [np.flatnonzero(owners == owner) for owner in np.unique(owners)]
        rows = []
        for _ in range(draws):
            drawn = np.concatenate([places[n] for n in rng.integers(0, len(places), len(places))])
            rows.append(self._scores([images[n] for n in drawn], [hits[n] for n in drawn]))
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        defined = {name: v[np.isfinite(v)] for name, v in columns.items() if np.isfinite(v).any()}
        return {n: tuple(np.percentile(v, (2.5, 97.5)).tolist()) for n, v in defined.items()}

    def choose(self) -> float | None:
        """Return the threshold with the largest F1. Every process must call it."""
        with self.sync_context():
            images = self.images()
        at, truths = self._pooled(images, self._matched(images))
        return best_threshold(at, truths)

    def per_case(self) -> list[dict[str, str | float]]:
        """Return one row per image, sorted, at the threshold. Every process must call it."""
        with self.sync_context():
            images = self.images()
        hits = self._matched(images)
        chosen = self._threshold(images, hits)
        rows: list[dict[str, str | float]] = []
        for image, found in zip(images, hits, strict=True):
            kept = image.scores >= chosen
            right = int((found[self._hit_row] & kept).sum())
            row = {"objects": len(image.truth), "found": right, "false_positives": int(kept.sum()) - right}
            rows.append({"case": image.case, **row})
        return rows

    def images(self) -> list[Image]:
        """Return the images of this process (inside `sync_context`: of all), sorted by name."""
        d = self.dims
        heads = self.table("heads", 2 + d).numpy().astype(int)
        found = self.ragged("found", (heads[:, 0] * (2 + 4 * d)).tolist())
        truths = self.ragged("truths", (heads[:, 1] * (1 + 4 * d)).tolist())
        images = []
        for case, place in first_places(self.case_names()).items():
            ours = found[place].reshape(-1, 2 + 4 * d).numpy()
            theirs = truths[place].reshape(-1, 1 + 4 * d).numpy()
            image = Image(
                case,
                boxes=ours[:, 2 : 2 + 2 * d],
                scores=ours[:, 1],
                classes=ours[:, 0].astype(int),
                truth=theirs[:, 1 : 1 + 2 * d],
                truth_classes=theirs[:, 0].astype(int),
                shape=heads[place, 2:],
                file_boxes=ours[:, 2 + 2 * d :],
                file_truth=theirs[:, 1 + 2 * d :],
            )
            images.append(image)
        return images

    def curve(self, images: Sequence[Image]) -> tuple[np.ndarray, np.ndarray]:
        """Return the FROC curve: false positives per image and fraction found, as the threshold falls."""
        at, truths = self._pooled(images, self._matched(images))
        return at.false / max(len(images), 1), at.hits / max(truths, 1)

    @property
    def _least(self) -> tuple[float, ...]:
        return (*LEAST, self.match_iou)

    @property
    def _hit_row(self) -> int:
        return len(LEAST)

    def _matched(self, images: Sequence[Image]) -> list[np.ndarray]:
        """Return the hits [T, N] of each image."""
        matched = []
        for image in images:
            hits = np.zeros((len(self._least), len(image.boxes)), bool)
            for kind in np.unique(image.classes):
                ours, theirs = image.classes == kind, image.truth_classes == kind
                boxes, scores, truth = image.boxes[ours], image.scores[ours], image.truth[theirs]
                hits[:, ours] = match(boxes, scores, truth, self._least)
            matched.append(hits)
        return matched

    def _pooled(self, images: Sequence[Image], hits: Sequence[np.ndarray]) -> tuple[Steps, int]:
        """Count hits of all classes together at `match_iou`."""
        scores = _joined([image.scores for image in images])
        right = _joined([found[self._hit_row] for found in hits]).astype(bool)
        return steps(scores, right), sum(len(image.truth) for image in images)

    def _threshold(self, images: Sequence[Image], hits: Sequence[np.ndarray]) -> float:
        if self.threshold is not None:
            return self.threshold
        chosen = best_threshold(*self._pooled(images, hits))
        return float("inf") if chosen is None else chosen

    def _scores(self, images: Sequence[Image], hits: Sequence[np.ndarray]) -> dict[str, float]:
        scores = self._precisions(images, hits)
        at, truths = self._pooled(images, hits)
        rates = froc(at, truths, len(images))
        scores["froc"] = float(rates.mean())
        scores |= {f"sensitivity_{rate:g}fp": float(v) for rate, v in zip(RATES, rates, strict=True)}
        return scores | self._at_threshold(images, hits, truths)

    def _precisions(self, images: Sequence[Image], hits: Sequence[np.ndarray]) -> dict[str, float]:
        """Return mean average precisions over the classes that exist, and those of each class."""
        classes = _joined([image.classes for image in images])
        theirs = _joined([image.truth_classes for image in images])
        scores = _joined([image.scores for image in images])
        right = np.concatenate(hits, 1) if hits else np.zeros((len(self._least), 0), bool)
        found = np.full((len(self.classes), len(LEAST)), np.nan)
        for kind in range(len(self.classes)):
            own, truths = classes == kind, int((theirs == kind).sum())
            for row in range(len(LEAST)):
                found[kind, row] = average_precision(steps(scores[own], right[row, own]), truths)
        result: dict[str, float] = {}
        for name, least in MEANS.items():
            values = found[:, [LEAST.index(value) for value in least]]
            result[name] = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
        for name in BY_CLASS:
            column = found[:, LEAST.index(*MEANS[name])]
            result |= {f"{name}/{c}": float(v) for c, v in zip(self.classes, column, strict=True)}
        return result

    def _at_threshold(
        self, images: Sequence[Image], hits: Sequence[np.ndarray], truths: int
    ) -> dict[str, float]:
        chosen = self._threshold(images, hits)
        kept = [image.scores >= chosen for image in images]
        right = sum(int((h[self._hit_row] & k).sum()) for h, k in zip(hits, kept, strict=True))
        healthy = [int(k.sum()) for image, k in zip(images, kept, strict=True) if not len(image.truth)]
        total = sum(int(k.sum()) for k in kept)
        nothing = float("nan")
        return {
            "sensitivity": right / truths if truths else nothing,
            "precision": (right / total if total else 0.0) if truths else nothing,
            "fp_healthy": sum(healthy) / len(healthy) if healthy else nothing,
        }


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0)
