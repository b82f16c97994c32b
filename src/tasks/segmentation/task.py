"""Segmentation: image in, label map out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.adversarial import read_output
from ganatomy.baselines.segmentation import Baselines, baselines
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.structures.centreline import named_scores
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.baselines import fit_baselines
from ganatomy.tasks.segmentation.classes import Regions, labelling_of
from ganatomy.tasks.segmentation.gate import with_peak
from ganatomy.tasks.segmentation.losses import SegmentationLoss
from ganatomy.tasks.segmentation.losses.class_weights import listed
from ganatomy.tasks.segmentation.mask_encoding import Masks, encoded, masked
from ganatomy.tasks.segmentation.panels import legends, panels
from ganatomy.tasks.segmentation.postprocessing.postprocessed import PostprocessedTask
from ganatomy.tasks.segmentation.resolved import arguments_of_networks, resolved
from ganatomy.tasks.segmentation.scoring import score_batch
from ganatomy.tasks.segmentation.self_training import SelfTraining, labelled
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.foreseen import missing_classes, unscored_cases
from ganatomy.tasks.shared.heads import Heads, heads_of
from ganatomy.tasks.shared.mirrors import MirrorAxes, checked_mirror_axes, mirrored
from ganatomy.tasks.shared.sliding_window import slide
from ganatomy.tasks.shared.volumes import all_finite, stack_slices
from ganatomy.tasks.soft import SoftKind

WITHOUT_MASK = "it has no mask: answered everywhere, though the run was trained and scored within data.mask"


class SegmentationTask(PostprocessedTask):
    """Segment images; the discriminator compares (image, truth) with (image, prediction).

    Logits are [B, K, *spatial] for K classes, background first, or for K regions that may overlap. A
    discriminator with the attribute `alone` sees the mask without the image, one with `masked` the image
    masked by each class.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        masks: Encoding of truth and prediction for the discriminator.
        dice_ce: Weight of `loss` as a whole; 0 trains by the discriminator alone, where there is one.
        loss: A loss by name, or weights by name; see `ganatomy.tasks.segmentation.losses.terms`.
        class_weights: A weight for each class, background first, or by name; None for equal weights.
        semi: Self-training on unlabelled images; None for none.
        gate: See `GatedTask`.
        postprocess: See `PostprocessedTask`.
        mirror_axes: Axes of test-time augmentation: probabilities are averaged over the flips along them.
        scored: "file" or "network", see `AdversarialTask`.
        label_map: What the data decide about the truth, see `label_map_of`; no key of the user's.
        scores: Further scores of the project's own, by name: "cldice".
        metrics: Further scores of each case, which may be per class.

    Raises:
        UserError: If `gate` is out of range, or `semi` meets a loss whose logits are no probabilities.
    """

    plain_answer, uses_boxes = True, False
    makes_label_maps, deep_supervision = True, True
    soft_kind: SoftKind = "classes"
    trivial, learned, synthetic = "mean_label", "label", "label"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/dice",
        window: int | list[int] | None = None,
        masks: Masks = "soft",
        dice_ce: float = 1.0,
        loss: str | dict[str, Any] = "dice_ce",
        class_weights: list[float] | dict[str, float] | str | None = None,
        semi: SelfTraining | None = None,
        gate: float | None = None,
        postprocess: str | Sequence[Any] | dict[str, Any] | None = None,
        mirror_axes: MirrorAxes = (),
        scored: str = "network",
        scores: Sequence[str] = (),
        metrics: Sequence[OutsideMetric] = (),
        label_map: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored, gate, postprocess)
        if semi is not None:
            semi.check_loss(self.game.loss)
        self.window, self.masks, self.semi = window, masks, semi
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.weight = dice_ce if self.discriminator is not None else dice_ce or 1.0
        self.labelling = labelling_of(recipe.classes, label_map)
        self.answers_in_mask = bool((label_map or {}).get("masked", False))
        self.soft_kind = "presence" if self.labelling.sigmoid else "classes"
        self.loss = SegmentationLoss(loss, listed(class_weights, self.labelling), self.labelling.sigmoid)
        self.steps: int | None = None
        self.baselines: Baselines | None = None
        names = ["val", "test", *baselines(len(recipe.classes)), *self.further_tables]
        groups = self.labelling.groups
        outside = OutsideMetrics([*named_scores(scores, groups), *metrics], classes=True)
        self.register_tables(
            {name: VolumeScores(recipe.classes, outside=outside, regions=groups) for name in names}
        )
        self.legends = legends(self.labelling, self.labelling.ignores or self.answers_in_mask)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        return resolved(data, given)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """Return the channels in and out of each player."""
        return arguments_of_networks(data)

    @property
    def regions(self) -> str | None:
        """Return the regions and how they are written, as text; None for classes."""
        return self.labelling.words if isinstance(self.labelling, Regions) else None

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
        image, label, valid = self._part(batch, slice(labelled(batch)))
        logits = heads_of(output, batch["image"].dim() - 2)[0][: len(label)]
        truth, prediction = encoded(self.masks, self.labelling, label, logits, valid)
        return self._shown(image, truth), self._shown(image, prediction)

    def _part(self, batch: Batch, rows: slice) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return image and label of some rows, and where its labels count; they are background elsewhere."""
        image, label, valid = batch["image"][rows], batch["label"][rows], self.labelling.valid(batch)
        return (image, label, None) if valid is None else (image, label.where(valid[rows], 0), valid[rows])

    def _shown(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the discriminator's input for an image and an encoded mask."""
        image = image.to(mask.dtype)
        if getattr(self.discriminator, "masked", False):
            return masked(image, mask, 0 if self.labelling.sigmoid else 1)
        return mask if getattr(self.discriminator, "alone", False) else torch.cat([image, mask], 1)

    def task_losses(self, batch: Batch, output: Heads) -> dict[str, Tensor]:
        heads, count = heads_of(output, batch["image"].dim() - 2), labelled(batch)
        losses: dict[str, Tensor] = {}
        if self.weight:
            _, label, valid = self._part(batch, slice(count))
            truth = self.labelling.truth(label)
            found = self.loss([head[:count] for head in heads], truth, valid, self.progress)
            losses = {name: self.weight * value for name, value in found.items()}
        if len(heads[0]) > count:
            losses |= self._unlabelled_losses(batch, heads[0][count:])
        return losses

    def _unlabelled_losses(self, batch: Batch, logits: Tensor) -> dict[str, Tensor]:
        assert self.semi is not None and self.discriminator is not None and self.game.loss is not None
        image, label, valid = self._part(batch, slice(labelled(batch), None))
        _, prediction = encoded(self.masks, self.labelling, label, logits, valid)  # its labels are hidden
        output = read_output(self.discriminator(self._shown(image, prediction)))
        return self.semi.losses(logits, output, self.game.loss, valid, self.labelling.sigmoid)

    def on_fit_start(self) -> None:
        self.steps = self.trainer.max_steps
        if self.semi is not None:
            steps = None if self.discriminator is None else self.trainer.max_steps
            self.semi.check_run(self.update.accumulate, steps)

    def soft_prediction(self, batch: Batch) -> Tensor:
        """Return the probabilities of the classes or regions, [B, K, *spatial]."""
        image = batch["image"]
        probabilities = mirrored(
            lambda part: self.labelling.probabilities(slide(self.evaluator, part, self.window)),
            image,
            self.mirror_axes,
        )
        all_finite(batch, probabilities)  # argmax would turn NaN into background
        return probabilities

    def decide(self, batch: Batch, probabilities: Tensor) -> Tensor:
        batch, labels = with_peak(batch, self.labelling, probabilities)
        return self.gated(batch, self.processed(batch, labels))

    def _find(self, batch: Batch) -> tuple[Batch, Tensor]:
        return with_peak(batch, self.labelling, self.averaged(batch))

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        batch, labels = self._find(batch)
        prediction = self.finished(stage, batch, labels)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def prepare_baselines(self, data: DataModule) -> None:
        self.baselines = fit_baselines(data, len(self.recipe.classes))

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return {} if self.baselines is None else self.baselines.state()

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.baselines = Baselines.from_state(kept) if kept else None

    def undefined(self, data: DataModule) -> list[str]:
        names, groups = list(self.labelling.groups), list(self.labelling.groups.values())
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
        return panels(batch, prediction, self.labelling)
