"""Segmentation: image in, label map out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ganatomy.adversarial import read_output
from ganatomy.baselines.segmentation import Baselines, baselines
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.pictures import ERRORS, colours, error_map, overlay, shown
from ganatomy.tasks.base import AdversarialTask, all_labelled
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.baselines import fit_baselines
from ganatomy.tasks.segmentation.classes import Classes
from ganatomy.tasks.segmentation.gate import empty_below, with_peak
from ganatomy.tasks.segmentation.losses import SegmentationLoss
from ganatomy.tasks.segmentation.losses.class_weights import listed, with_class_weights
from ganatomy.tasks.segmentation.mask_encoding import MASKS, Masks, masked
from ganatomy.tasks.segmentation.self_training import SelfTraining, labelled
from ganatomy.tasks.shared.foreseen import missing_classes
from ganatomy.tasks.shared.heads import Heads, heads_of
from ganatomy.tasks.shared.scored import scored_labels
from ganatomy.tasks.shared.sliding_window import checked_mirror_axes, in_windows, mirrored, slide
from ganatomy.tasks.shared.volumes import all_finite, rows_by_case, small, stack_slices


class SegmentationTask(AdversarialTask):
    """Segment images; the discriminator compares (image, truth) with (image, prediction).

    Logits are [B, K, *spatial] for K classes, background first. A discriminator with the attribute `alone`
    sees the mask without the image, one with `masked` the image masked by each class.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        masks: Encoding of truth and prediction for the discriminator.
        dice_ce: Weight of `loss` as a whole; 0 trains by the discriminator alone, where there is one.
        loss: A loss by name, or weights by name; see `ganatomy.tasks.segmentation.losses.terms`.
        class_weights: A weight for each class, background first, or by name; None for equal weights.
        semi: Self-training on unlabelled images; None for none.
        gate: Fraction of lesion-image Dice to keep, in (0, 1]. After validation, choose the highest
            image-level threshold that keeps it; at test time, images below it get an empty mask.
        mirror_axes: Axes of test-time augmentation: probabilities are averaged over the flips along them.
        scored: "file" or "network", see `AdversarialTask`.
        metrics: Further scores of each case, which may be per class.

    Raises:
        UserError: If `gate` is out of range, or `semi` meets a loss whose logits are no probabilities.
    """

    plain_answer, uses_boxes = True, False
    makes_label_maps, deep_supervision = True, True
    soft_kind = "classes"
    trivial, learned = "mean_label", "label"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/dice",
        window: int | list[int] | None = None,
        masks: Masks = "soft",
        dice_ce: float = 1.0,
        loss: str | dict[str, Any] = "dice_ce",
        class_weights: Sequence[float] | dict[str, float] | Literal["auto"] | None = None,
        semi: SelfTraining | None = None,
        gate: float | None = None,
        mirror_axes: Sequence[int] = (),
        scored: str = "network",
        metrics: Sequence[OutsideMetric] = (),
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if gate is not None and not 0 < gate <= 1:
            raise UserError(f"task.gate: {gate}; must be in (0, 1]: the fraction of the Dice to keep")
        if semi is not None:
            semi.check_loss(self.game.loss)
        self.window, self.masks, self.semi, self.gate = window, masks, semi, gate
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.weight = dice_ce if self.discriminator is not None else dice_ce or 1.0
        self.channels = Classes(recipe.classes)
        self.loss = SegmentationLoss(loss, listed(class_weights, self.channels), self.channels.sigmoid)
        self.steps: int | None = None
        self.baselines: Baselines | None = None
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
        given = with_class_weights(given, data, Classes(data.mask_classes))
        return in_windows(given, data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """Return the channels in and out of each player."""
        own, classes = data.channels, len(data.mask_classes)
        seen = {"image_channels": classes, "masked_channels": own * (classes - 1)}
        return {
            "generator": {"in_channels": own, "out_channels": classes},
            "discriminator": {"in_channels": own + classes, **seen, "out_channels": 1},
        }

    @property
    def warmed_up(self) -> bool:
        """Return True once the self-training warm-up is over."""
        if self.semi is None or self.discriminator is None:
            return False
        return self.batches_done >= self.semi.start

    @property
    def progress(self) -> float:
        """Return the share of the run that is done; 1 outside of a run."""
        return 1.0 if self.steps is None else min(1.0, self.batches_done / self.steps)

    def generate(self, batch: Batch) -> Heads:
        """Return logits of the labelled images and, after the warm-up, of the unlabelled ones behind them."""
        image = batch["image"] if self.warmed_up else batch["image"][: labelled(batch)]
        output: Heads = self.generator(image)
        return output

    def discriminator_inputs(self, batch: Batch, output: Heads) -> tuple[Tensor, Tensor]:
        image, label = (batch[key][: labelled(batch)] for key in ("image", "label"))
        logits = heads_of(output, self.recipe.spatial_dims)[0]
        truth, prediction = MASKS[self.masks](label, logits[: len(label)])
        return self._shown(image, truth), self._shown(image, prediction)

    def _shown(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the discriminator's input for an image and an encoded mask."""
        image = image.to(mask.dtype)
        if getattr(self.discriminator, "masked", False):
            return masked(image, mask)
        return mask if getattr(self.discriminator, "alone", False) else torch.cat([image, mask], 1)

    def task_losses(self, batch: Batch, output: Heads) -> dict[str, Tensor]:
        count = labelled(batch)
        heads = heads_of(output, self.recipe.spatial_dims)
        losses: dict[str, Tensor] = {}
        if self.weight:
            truth = self.channels.truth(batch["label"][:count])
            found = self.loss([head[:count] for head in heads], truth, None, self.progress)
            losses = {name: self.weight * value for name, value in found.items()}
        if len(heads[0]) > count:
            logits = heads[0][count:]
            losses |= self._unlabelled_losses(batch["image"][count:], batch["label"][count:], logits)
        return losses

    def _unlabelled_losses(self, image: Tensor, label: Tensor, logits: Tensor) -> dict[str, Tensor]:
        assert self.semi is not None and self.discriminator is not None and self.game.loss is not None
        _, prediction = MASKS[self.masks](label, logits)  # the labels are hidden: empty, and unused
        output = read_output(self.discriminator(self._shown(image, prediction)))
        return self.semi.losses(logits, output, self.game.loss)

    def on_fit_start(self) -> None:
        self.steps = self.trainer.max_steps
        if self.semi is not None:
            steps = None if self.discriminator is None else self.trainer.max_steps
            self.semi.check_run(self.update.accumulate, steps)

    def soft_prediction(self, batch: Batch) -> Tensor:
        """Return the probabilities of the classes, [B, K, *spatial]."""
        image = batch["image"]
        probabilities = mirrored(
            lambda part: slide(self.evaluator, part, self.window).softmax(1), image, self.mirror_axes
        )
        all_finite(batch, probabilities)  # argmax would turn NaN into background
        return probabilities

    def decide(self, batch: Batch, probabilities: Tensor) -> Tensor:
        return self._gated(*with_peak(batch, probabilities))

    def join(self, others: Sequence[SegmentationTask]) -> None:
        if self.gate is not None:
            mean = float(np.mean([float(task.threshold) for task in (self, *others)]))  # type: ignore[arg-type]
            self.threshold.fill_(mean)  # type: ignore[operator]

    def _find(self, batch: Batch) -> tuple[Batch, Tensor]:
        return with_peak(batch, self.averaged(batch))

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
        what = " or ".join(data.mask_classes[1:4])
        return missing_classes(data, "label", data.mask_classes[1:], what, "dice", first=1)

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        for case, rows in rows_by_case(batch):
            label, truth, spacing = scored_labels(batch, rows, self.files_of(stage))
            peak = float(batch["peak"][rows].amax()) if "peak" in batch else float("nan")
            self.tables[stage].update(
                case, label(small(stack_slices(batch, prediction, rows))), truth, spacing, peak
            )
            if stage == "test" and self.baselines is not None:
                image = stack_slices(batch, batch["image"], rows).float().mean(0)
                for name, guess in self.baselines(image.cpu().numpy()):
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
