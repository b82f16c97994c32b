"""Segmentation: image in, label map out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import Tensor

from ganatomy.adversarial import LOSSES, read_output
from ganatomy.baselines.segmentation import Baselines, baselines
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.pictures import ERRORS, colours, error_map, overlay, shown
from ganatomy.tasks.base import AdversarialTask, all_labelled
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.mask_encoding import MASKS, Masks, masked
from ganatomy.tasks.segmentation.self_training import SelfTraining
from ganatomy.tasks.shared.as_written import scored_labels
from ganatomy.tasks.shared.foreseen import without
from ganatomy.tasks.shared.sliding_window import in_windows, mirror_axes, mirrored, slide
from ganatomy.tasks.shared.volumes import all_finite, largest, rows_by_case, small, stack_slices

SUSPICIOUS = 0.003
"""Share of an image's pixels whose mean lesion probability the gate looks at: a single one is noise."""


class SegmentationTask(AdversarialTask):
    """The discriminator tells (image, truth) from (image, prediction); Dice + cross entropy teach the rest.

    Logits are [B, K, *spatial] for K classes, background first. The discriminator sees the image beside the
    mask; the mask `alone`, or the image `masked` by each class, where it says so of itself.

    window: side, or sides, of the windows of evaluation; None for whole images. masks: how truth and
    prediction are shown. dice_ce: weight of Dice + cross entropy; 0 leaves all teaching to the discriminator,
    where there is one. semi: how images without labels take part. gate: in the test, nothing is found in
    images whose most suspicious pixels are, on average, below a threshold; the highest that left this share
    of the Dice of the lesion images in the last validation. mirror: axes; probabilities are means over the
    images mirrored along them and not. metrics: further scores of each case, which may be per class.
    """

    plain_answer = True
    makes_label_maps = True

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/dice",
        window: int | list[int] | None = None,
        masks: Masks = "soft",
        dice_ce: float = 1.0,
        semi: SelfTraining | None = None,
        gate: float | None = None,
        mirror: Sequence[int] = (),
        scored: str = "network",
        metrics: Sequence[OutsideMetric] = (),
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if gate is not None and not 0 < gate <= 1:
            raise UserError(f"task.gate: {gate} is no share of the Dice to keep; give e.g. 0.98")
        loss = self.game.loss
        if semi is not None and loss is not None and not isinstance(loss, LOSSES["non_saturating"]):
            raise UserError(
                "model.adversarial.loss: task.semi takes verdicts for probabilities, which they are under "
                "non_saturating and minimax alone"
            )
        self.window, self.masks, self.semi, self.gate = window, masks, semi, gate
        self.mirror = mirror_axes(mirror, recipe.spatial_dims)
        self.weight = dice_ce if self.discriminator is not None else dice_ce or 1.0
        self.dice_ce = DiceCELoss(to_onehot_y=True, softmax=True)
        self.rivals: Baselines | None = None
        names = ["val", "test", *baselines(len(recipe.classes))]
        if gate is not None:
            names.append("ungated")
            self.register_buffer("threshold", torch.zeros(()))
        outside = OutsideMetrics(metrics, classes=True)
        self.register_tables({name: VolumeScores(recipe.classes, outside=outside) for name in names})
        self.legends = {name: colours(recipe.classes) for name in ("truth", "prediction")} | {"error": ERRORS}

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        if len(data.mask_classes) < 2:
            raise UserError(
                "data.label, data.classes: these data have no label maps, which segmentation needs"
            )
        if not given.get("semi"):
            all_labelled(data)
        elif not data.labels.unlabelled_fraction:
            raise UserError(
                "task.semi: no batch holds an image without a label; set data.unlabelled_fraction=0.5"
            )
        return in_windows(given, data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """What the data decide about each player: channels in and out."""
        own, classes = data.channels, len(data.mask_classes)
        return {
            "generator": {"in_channels": own, "out_channels": classes},
            "discriminator": {
                "in_channels": own + classes,
                "image_channels": classes,
                "masked_channels": own * (classes - 1),
                "out_channels": 1,
            },
        }

    @property
    def joined(self) -> bool:
        """Whether images without labels take part by now."""
        if self.semi is None or self.discriminator is None:
            return False
        return self.batches_done >= self.semi.start

    def generate(self, batch: Batch) -> Tensor:
        """Logits of the images that take part; those with labels come first."""
        image = batch["image"] if self.joined else batch["image"][: labelled(batch)]
        logits: Tensor = self.generator(image)
        return logits

    def discriminator_inputs(self, batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor]:
        image, label = (batch[key][: labelled(batch)] for key in ("image", "label"))
        truth, prediction = MASKS[self.masks](label, logits[: len(label)])
        return self._shown(image, truth), self._shown(image, prediction)

    def _shown(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the discriminator looks at."""
        image = image.to(mask.dtype)
        if getattr(self.discriminator, "masked", False):
            return masked(image, mask)
        return mask if getattr(self.discriminator, "alone", False) else torch.cat([image, mask], 1)

    def task_losses(self, batch: Batch, logits: Tensor) -> dict[str, Tensor]:
        count = labelled(batch)
        losses = {}
        if self.weight:
            losses["dice_ce"] = self.weight * self.dice_ce(logits[:count], batch["label"][:count])
        if len(logits) > count:
            losses |= self._unlabelled_losses(batch["image"][count:], batch["label"][count:], logits[count:])
        return losses

    def _unlabelled_losses(self, image: Tensor, nothing: Tensor, logits: Tensor) -> dict[str, Tensor]:
        assert self.semi is not None and self.discriminator is not None and self.game.loss is not None
        _, prediction = MASKS[self.masks](nothing, logits)
        judged = read_output(self.discriminator(self._shown(image, prediction)))
        return self.semi.losses(logits, judged, self.game.loss)

    def on_fit_start(self) -> None:
        if self.semi is not None and self.update.accumulate > 1:
            raise UserError("update.accumulate: pieces of a batch would hold unequal shares of labels; set 1")
        steps = self.trainer.max_steps
        if self.semi is not None and self.discriminator is not None and self.semi.start >= steps:
            raise UserError(
                f"task.semi.start: {self.semi.start} of {steps} batches: images without labels never join; "
                "give less, or a larger trainer.max_steps"
            )

    def predict(self, batch: Batch) -> Tensor:
        return self._gated(*self._find(batch))

    def _find(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The batch with each row's `peak`, how sure its most suspicious pixels are; and label maps."""
        image = batch["image"]
        shares = mirrored(
            lambda seen: slide(self.evaluator, seen, self.window).softmax(1), image, self.mirror
        )
        all_finite(batch, shares)  # the largest of numbers that are none is background
        lesion = (shares[:, 1] if shares.shape[1] == 2 else shares[:, 1:].amax(1)).flatten(1)
        peak = largest(lesion, max(1, round(SUSPICIOUS * lesion.shape[1]))).mean(1)
        return {**batch, "peak": peak}, small(shares.argmax(1, keepdim=True))

    def _gated(self, batch: Batch, labels: Tensor) -> Tensor:
        """Label maps, background all over in cases that do not reach the threshold."""
        if self.gate is None:
            return labels
        labels = labels.clone()
        for _, rows in rows_by_case(batch):
            labels[rows] *= batch["peak"][rows].amax() >= self.threshold
        return labels

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        batch, labels = self._find(batch)
        if stage == "test" and self.gate is not None:
            self.score("ungated", batch, labels)
        prediction = labels if stage == "val" else self._gated(batch, labels)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def scores(self, stage: str) -> dict[str, float]:
        """Those of the table; after a validation the gate is set by it."""
        if self.gate is None:
            return super().scores(stage)
        assert isinstance(self.threshold, Tensor)
        if stage == "val":
            self.threshold.fill_(self.tables["val"].gate(self.gate))
        return super().scores(stage) | {"threshold": float(self.threshold)}

    def prepare_baselines(self, data: DataModule) -> None:
        """Fitted on the training cases whose labels are used."""
        records = data.labels.used(data.records["train"])

        def cohort() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for case in map(data.whole, records):
                image, label = case["image"], case["label"]
                if data.sliced:
                    image, label = np.moveaxis(image, 0, -1), np.moveaxis(label, 0, -1)
                yield image.mean(0), label[0]

        self.rivals = Baselines(cohort, len(self.recipe.classes))

    def undefined(self, data: DataModule) -> list[str]:
        return without(
            data, "label", data.mask_classes[1:], " or ".join(data.mask_classes[1:4]), "dice", first=1
        )

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        for case, rows in rows_by_case(batch):
            label, truth, spacing = scored_labels(batch, rows, self.files_of(stage))
            peak = float(batch["peak"][rows].amax()) if "peak" in batch else float("nan")
            self.tables[stage].update(
                case, label(small(stack_slices(batch, prediction, rows))), truth, spacing, peak
            )
            if stage == "test" and self.rivals is not None:
                image = stack_slices(batch, batch["image"], rows).float().mean(0)
                for name, guess in self.rivals(image.cpu().numpy()):
                    own = small(torch.from_numpy(guess)).to(prediction.device)[None]
                    self.tables[name].update(case, label(own), truth, spacing)

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return stack_slices(batch, prediction, rows)

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        rows = [group[len(group) // 2] for _, group in rows_by_case(batch)]
        image = batch["image"][rows].float().cpu().numpy()
        truth, ours = (t[rows, 0].float().cpu().numpy() for t in (batch["label"], prediction))
        classes = len(self.recipe.classes)
        return {
            "image": shown(image),
            "truth": overlay(image, truth, classes),
            "prediction": overlay(image, ours, classes),
            "error": error_map(truth, ours),
        }


def labelled(batch: Batch) -> int:
    """How many images of the batch have labels; they come first."""
    return sum(batch["labelled"]) if "labelled" in batch else len(batch["image"])
