"""Segmentation: image in, label map out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import Tensor

from ganatomy.adversarial import read_output
from ganatomy.baselines.segmentation import Baselines, baselines
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.tasks.base import AdversarialTask, all_labelled
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.baselines import fit_baselines
from ganatomy.tasks.segmentation.classes import channels_of, label_map_of
from ganatomy.tasks.segmentation.gate import empty_below, with_peak
from ganatomy.tasks.segmentation.losses import CrossEntropy
from ganatomy.tasks.segmentation.mask_encoding import Masks, encoded, masked
from ganatomy.tasks.segmentation.panels import legends, panels
from ganatomy.tasks.segmentation.scoring import score_batch
from ganatomy.tasks.segmentation.self_training import SelfTraining, labelled
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.foreseen import missing_classes, unscored_cases
from ganatomy.tasks.shared.sliding_window import checked_mirror_axes, in_windows, mirrored, slide
from ganatomy.tasks.shared.volumes import all_finite, stack_slices

WITHOUT_MASK = "it has no mask: answered everywhere, though the run was trained and scored within data.mask"


class SegmentationTask(AdversarialTask):
    """Segment images; the discriminator compares (image, truth) with (image, prediction).

    Logits are [B, K, *spatial] for K classes, background first, or for K regions (`label_map`). A discriminator with the attribute `alone`
    sees the mask without the image, one with `masked` the image masked by each class.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        masks: Encoding of truth and prediction for the discriminator.
        dice_ce: Weight of Dice + cross entropy; 0 trains by the discriminator alone, where there is one.
        semi: Self-training on unlabelled images; None for none.
        gate: Fraction of lesion-image Dice to keep, in (0, 1]. After validation, choose the highest
            image-level threshold that keeps it; at test time, images below it get an empty mask.
        mirror_axes: Axes of test-time augmentation: probabilities are averaged over the flips along them.
        scored: "file" or "network", see `AdversarialTask`.
        label_map: What the data decide about the truth, see `label_map_of`; no key of the user's.
        metrics: Further scores of each case, which may be per class.

    Raises:
        UserError: If `gate` is out of range, or `semi` meets a loss whose logits are no probabilities.
    """

    plain_answer, uses_boxes = True, False
    makes_label_maps = True
    soft_kind = "classes"
    trivial, learned = "mean_label", "label"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/dice",
        window: int | list[int] | None = None,
        masks: Masks = "soft",
        dice_ce: float = 1.0,
        semi: SelfTraining | None = None,
        gate: float | None = None,
        mirror_axes: Sequence[int] = (),
        scored: str = "network",
        metrics: Sequence[OutsideMetric] = (),
        label_map: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if gate is not None and not 0 < gate <= 1:
            raise UserError(f"task.gate: {gate}; must be in (0, 1]: the fraction of the Dice to keep")
        if semi is not None:
            semi.check_loss(self.game.loss)
        self.window, self.masks, self.semi, self.gate = window, masks, semi, gate
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.weight = dice_ce if self.discriminator is not None else dice_ce or 1.0
        self.channels = channels_of(recipe.classes, label_map)
        self.answers_in_mask = bool((label_map or {}).get("masked", False))
        self.soft_kind = "presence" if self.channels.sigmoid else "classes"
        self.dice_ce = DiceCELoss(to_onehot_y=True, softmax=True)
        self.dice_ce.cross_entropy = CrossEntropy()
        self.baselines: Baselines | None = None
        names = ["val", "test", *baselines(len(recipe.classes))]
        if gate is not None:
            names.append("ungated")
            self.register_buffer("threshold", torch.zeros(()))
        outside = OutsideMetrics(metrics, classes=True)
        groups = self.channels.groups
        tables = {name: VolumeScores(recipe.classes, outside=outside, regions=groups) for name in names}
        self.register_tables(tables)
        self.legends = legends(self.channels)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        if len(data.mask_classes) < 2:
            raise UserError(
                "data.label, data.classes: these data have no label maps; segmentation needs them"
            )
        if case := data.first_without("label"):
            raise UserError(f"data.label: {case} has no label map; segmentation needs one for each case")
        if not given.get("semi"):
            all_labelled(data)
        elif not data.labels.unlabelled_fraction:
            raise UserError(
                "task.semi: no batch holds an image without a label; set data.unlabelled_fraction=0.5"
            )
        label_map = label_map_of(data)
        if given.get("label_map") not in (None, label_map):
            raise UserError(
                "task.label_map: is what the data decide; set data.regions, data.ignore_label, data.mask"
            )
        given = given if label_map is None else {**given, "label_map": label_map}
        return in_windows(given, data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """Return the channels in and out of each player."""
        own, channels = data.channels, channels_of(data.mask_classes, label_map_of(data))
        outputs = channels.outputs
        seen = {"image_channels": outputs, "masked_channels": own * len(channels.names)}
        return {
            "generator": {"in_channels": own, "out_channels": outputs},
            "discriminator": {"in_channels": own + outputs, **seen, "out_channels": 1},
        }

    @property
    def regions(self) -> str | None:
        """Return the regions and how they are written, as text; None for classes."""
        return f"{self.channels.groups}" if self.channels.sigmoid else None

    @property
    def warmed_up(self) -> bool:
        """Return True once the self-training warm-up is over."""
        if self.semi is None or self.discriminator is None:
            return False
        return self.batches_done >= self.semi.start

    def generate(self, batch: Batch) -> Tensor:
        """Return logits of the labelled images and, after the warm-up, of the unlabelled ones behind them."""
        image = batch["image"] if self.warmed_up else batch["image"][: labelled(batch)]
        logits: Tensor = self.generator(image)
        return logits

    def discriminator_inputs(self, batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor]:
        count = labelled(batch)
        image, label = (batch[key][:count] for key in ("image", "label"))
        valid = _first(self.channels.valid(batch), count)
        truth, prediction = encoded(self.masks, self.channels, label, logits[:count], valid)
        return self._shown(image, truth), self._shown(image, prediction)

    def _shown(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the discriminator's input for an image and an encoded mask."""
        image = image.to(mask.dtype)
        if getattr(self.discriminator, "masked", False):
            return masked(image, mask, 0 if self.channels.sigmoid else 1)
        return mask if getattr(self.discriminator, "alone", False) else torch.cat([image, mask], 1)

    def task_losses(self, batch: Batch, logits: Tensor) -> dict[str, Tensor]:
        count = labelled(batch)
        losses = {}
        if self.weight:
            losses["dice_ce"] = self.weight * self.dice_ce(logits[:count], batch["label"][:count])
        if len(logits) > count:
            losses |= self._unlabelled_losses(batch["image"][count:], batch["label"][count:], logits[count:])
        return losses

    def _unlabelled_losses(self, image: Tensor, label: Tensor, logits: Tensor) -> dict[str, Tensor]:
        assert self.semi is not None and self.discriminator is not None and self.game.loss is not None
        _, prediction = MASKS[self.masks](label, logits)  # the labels are hidden: empty, and unused
        output = read_output(self.discriminator(self._shown(image, prediction)))
        return self.semi.losses(logits, output, self.game.loss)

    def on_fit_start(self) -> None:
        if self.semi is not None:
            steps = None if self.discriminator is None else self.trainer.max_steps
            self.semi.check_run(self.update.accumulate, steps)

    def soft_prediction(self, batch: Batch) -> Tensor:
        """Return the probabilities of the classes or regions, [B, K, *spatial]."""
        image = batch["image"]
        probabilities = mirrored(
            lambda part: self.channels.probabilities(slide(self.evaluator, part, self.window)),
            image,
            self.mirror_axes,
        )
        all_finite(batch, probabilities)  # argmax would turn NaN into background
        return probabilities

    def decide(self, batch: Batch, probabilities: Tensor) -> Tensor:
        return self._gated(*with_peak(batch, self.channels, probabilities))

    def join(self, others: Sequence[SegmentationTask]) -> None:
        if self.gate is not None:
            mean = float(np.mean([float(task.threshold) for task in (self, *others)]))  # type: ignore[arg-type]
            self.threshold.fill_(mean)  # type: ignore[operator]

    def _find(self, batch: Batch) -> tuple[Batch, Tensor]:
        return with_peak(batch, self.channels, self.averaged(batch))

    def _gated(self, batch: Batch, labels: Tensor) -> Tensor:
        """Return the label maps, empty for cases below the threshold."""
        if self.gate is None:
            return labels
        assert isinstance(self.threshold, Tensor)
        return empty_below(batch, labels, self.threshold)

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        batch, labels = self._find(batch)
        if stage == "test" and self.gate is not None:
            self.score("ungated", batch, labels)
        prediction = labels if stage == "val" else self._gated(batch, labels)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores of a stage; a validation sets the gate's threshold."""
        if self.gate is None:
            return super().scores(stage)
        assert isinstance(self.threshold, Tensor)
        if stage == "val":
            self.threshold.fill_(self.tables["val"].gate(self.gate))
        return super().scores(stage) | {"threshold": float(self.threshold)}

    def prepare_baselines(self, data: DataModule) -> None:
        self.baselines = fit_baselines(data, len(self.recipe.classes))

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return {} if self.baselines is None else self.baselines.state()

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.baselines = Baselines.from_state(kept) if kept else None

    def undefined(self, data: DataModule) -> list[str]:
        names, groups = self.channels.names, list(self.channels.groups.values())
        what = " or ".join(names[:3])
        missing = missing_classes(data, "label", names, what, "dice", groups=groups)
        return [*missing, *unscored_cases(data)]

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        baselines = self.baselines if stage == "test" else None
        score_batch(self.tables, stage, batch, prediction, self.files_of(stage), baselines)

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return stack_slices(batch, prediction, rows)

    def answer(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Answer:
        alone = self.answers_in_mask and "mask" not in batch
        return Answer(self.saved_prediction(batch, prediction, rows), notes=(WITHOUT_MASK,) if alone else ())

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        return panels(batch, prediction, self.channels)


def _first(valid: Tensor | None, count: int) -> Tensor | None:
    return None if valid is None else valid[:count]
