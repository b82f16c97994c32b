"""Segmentation: image in, label map out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import Tensor
from torch.nn import functional as F

from src.baselines.segmentation import Predictor, mean_label_map
from src.metrics.segmentation import VolumeScores
from src.pictures import ERRORS, colours, error_map, grey, overlay
from src.tasks.base import AdversarialTask, Batch
from src.tasks.cases import cases, whole
from src.tasks.recipe import Recipe
from src.tasks.windows import slide


class SegmentationTask(AdversarialTask):
    """The discriminator tells (image, truth) from (image, prediction); Dice + cross entropy teach the rest.

    Logits are [B, K, *spatial] for K classes, background first; the discriminator sees the image beside the
    one-hot truth or the softmax. window: side, or sides, of the windows of evaluation; None for whole images.
    """

    def __init__(
        self, recipe: Recipe, monitor: str = "val/dice", window: int | list[int] | None = None
    ) -> None:
        super().__init__(recipe, monitor)
        self.window = window
        self.dice_ce = DiceCELoss(to_onehot_y=True, softmax=True)
        self.keep_tables({name: VolumeScores(recipe.classes) for name in ("val", "test", "mean_label")})
        self.mean_label: Predictor | None = None
        self.legends = {name: colours(recipe.classes) for name in ("truth", "prediction")} | {"error": ERRORS}

    @staticmethod
    def channels(data: Any) -> dict[str, dict[str, int]]:
        """What the data decide about each player: channels in and out."""
        return {
            "generator": {"in_channels": data.channels, "out_channels": len(data.classes)},
            "discriminator": {"in_channels": data.channels + len(data.classes), "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Tensor:
        logits: Tensor = self.generator(batch["image"])
        return logits

    def pairs(self, batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor]:
        truth = F.one_hot(batch["label"].squeeze(1).long(), logits.shape[1]).movedim(-1, 1)
        return self._beside(batch, truth), self._beside(batch, logits.softmax(1))

    def _beside(self, batch: Batch, mask: Tensor) -> Tensor:
        return torch.cat([batch["image"].to(mask.dtype if mask.is_floating_point() else None), mask], 1)

    def task_losses(self, batch: Batch, logits: Tensor) -> dict[str, Tensor]:
        return {"dice_ce": self.dice_ce(logits, batch["label"])}

    def predict(self, batch: Batch) -> Tensor:
        return slide(self.evaluator, batch["image"], self.window).argmax(1, keepdim=True)

    def prepare_baselines(self, data: Any) -> None:
        """The vote of the training cohort, which knows where tissue usually is and sees no image."""
        cohort = (data.cache.get(record) for record in data.records["train"])
        labels = (
            np.moveaxis(case["label"][:, 0], 0, -1) if data.sliced else case["label"][0] for case in cohort
        )
        self.mean_label = mean_label_map(labels, len(self.recipe.classes))

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        for case, rows in cases(batch):
            truth = whole(batch, batch["label"], rows)[0]
            spacing = batch["spacing"][rows[0]].tolist()
            self.tables[stage].update(case, whole(batch, prediction, rows)[0], truth, spacing)
            if stage == "test" and self.mean_label is not None:
                guess = torch.from_numpy(self.mean_label(truth.shape)).to(truth)
                self.tables["mean_label"].update(case, guess, truth, spacing)

    def written(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return whole(batch, prediction, rows)

    def samples(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        rows = [group[len(group) // 2] for _, group in cases(batch)]
        image, truth, ours = (
            t[rows, 0].float().cpu().numpy() for t in (batch["image"], batch["label"], prediction)
        )
        classes = len(self.recipe.classes)
        return {
            "image": grey(image),
            "truth": overlay(image, truth, classes),
            "prediction": overlay(image, ours, classes),
            "error": error_map(truth, ours),
        }
