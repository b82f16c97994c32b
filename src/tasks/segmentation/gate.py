"""The gate of a segmentation: images without a suspicious spot get an empty label map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.classes import Labelling
from ganatomy.tasks.shared.volumes import largest, rows_by_case

SUSPICIOUS = 0.003
"""Fraction of an image's pixels, the most suspicious, that are averaged: a single one is noise."""


def suspicion(findings: Tensor, region: Tensor | None = None) -> Tensor:
    """Return for each row the mean lesion probability of its most suspicious pixels [B].

    A pixel's lesion probability is the largest over the classes other than background.

    Args:
        findings: Probabilities of all but the background, [B, K, *spatial].
        region: Region of interest, bool [B, 1, *spatial], outside of which nothing is suspicious; None for
            none. Pixels with an ignore label count: a new image has no label.
    """
    lesion = findings[:, 0] if findings.shape[1] == 1 else findings.amax(1)
    lesion = lesion if region is None else lesion * region[:, 0]
    lesion = lesion.flatten(1)
    return largest(lesion, max(1, round(SUSPICIOUS * lesion.shape[1]))).mean(1)


def empty_below(batch: Batch, labels: Tensor, threshold: Tensor) -> Tensor:
    """Return the label maps with those emptied whose case is below a threshold.

    Args:
        batch: Batch with `peak` [B], the `suspicion` of each row; a case has the largest of its rows.
        labels: Label maps [B, 1, *spatial]; left as they are.
        threshold: Lowest suspicion at which a label map is kept, 0-dim.
    """
    labels = labels.clone()
    for _, rows in rows_by_case(batch):
        labels[rows] *= batch["peak"][rows].amax() >= threshold
    return labels


def with_peak(batch: Batch, labelling: Labelling, probabilities: Tensor) -> tuple[Batch, Tensor]:
    """Return the batch with `peak` [B], the lesion probability that the gate compares, and label maps.

    Args:
        batch: Batch; label maps are background outside of its `mask`, if it has one.
        labelling: What the channels mean.
        probabilities: [B, K, *spatial].
    """
    region = batch["mask"].bool() if "mask" in batch else None
    labels = labelling.labels(probabilities)
    labels = labels if region is None else labels * region
    return {**batch, "peak": suspicion(labelling.findings(probabilities), region)}, labels


class GatedTask(AdversarialTask):
    """A task whose label maps may be emptied as a whole, where nothing in the image is suspicious enough.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        scored: "file" or "network", see `AdversarialTask`.
        gate: Fraction of lesion-image Dice to keep, in (0, 1]. After validation, choose the highest
            image-level threshold that keeps it; at test time, images below it get an empty mask. None: no
            gate.

    Raises:
        UserError: If `gate` is out of range.
    """

    def __init__(
        self, recipe: Recipe, monitor: str, scored: str = "network", gate: float | None = None
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if gate is not None and not 0 < gate <= 1:
            raise UserError(f"task.gate: {gate}; must be in (0, 1]: the fraction of the Dice to keep")
        self.gate = gate
        if gate is not None:
            self.register_buffer("threshold", torch.zeros(()))

    def gated(self, batch: Batch, labels: Tensor) -> Tensor:
        """Return the label maps, empty for cases below the threshold."""
        if self.gate is None:
            return labels
        assert isinstance(self.threshold, Tensor)
        return empty_below(batch, labels, self.threshold)

    def join(self, others: Sequence[Any]) -> None:
        if self.gate is not None:
            mean = float(np.mean([float(task.threshold) for task in (self, *others)]))
            self.threshold.fill_(mean)  # type: ignore[operator]

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores of a stage; a validation sets the gate's threshold."""
        if self.gate is None:
            return super().scores(stage)
        assert isinstance(self.threshold, Tensor)
        if stage == "val":
            self.threshold.fill_(self.tables["val"].gate(self.gate))
        return super().scores(stage) | {"threshold": float(self.threshold)}
