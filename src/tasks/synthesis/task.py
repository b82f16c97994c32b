"""Synthesis: images from noise, scored as a set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.adversarial.distributed.random import normal
from ganatomy.adversarial.penalties.path_length import PathLength, settled
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.synthesis import imagenet as imagenet_features
from ganatomy.metrics.synthesis.memorisation import expected_share
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.metrics.synthesis.scores import SCORES, SetScores, scores_against
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.fixed_noise import row_names
from ganatomy.tasks.shared.volumes import all_finite, in_units
from ganatomy.tasks.synthesis import figures, reference_scores
from ganatomy.tasks.synthesis.conditioning import Arguments, condition
from ganatomy.tasks.synthesis.drawer import Drawer
from ganatomy.tasks.synthesis.evaluators import ClassEvaluator, MaskEvaluator
from ganatomy.tasks.synthesis.facts import ImageFacts
from ganatomy.tasks.synthesis.memorisation import measure_memorisation, withhold_finding
from ganatomy.tasks.synthesis.methods.base import Method, Players
from ganatomy.tasks.synthesis.modes import ModeEvaluator, symbol_count
from ganatomy.tasks.synthesis.normalisation import Normalisation, resolve_normalisation
from ganatomy.tasks.synthesis.overfitting import OverfittingMonitor

ROWS = 64
"""Images per forward pass of the generator."""


class SynthesisTask(AdversarialTask):
    """Train a generator of images from noise [B, latent], by default against a discriminator.

    Evaluation makes one image for each real one, from noise that depends on the seed and the real image's
    name alone: the same at every validation, whatever the batches and processes. Scores are those of the set.

    Args:
        recipe: Players, optimisers and settings of the training.
        monitor: Validation score that chooses the best checkpoint.
        method: How the generator learns; None for the bare game.
        max_images: Images of a split, and of the training set, that are scored, at most.
        nearest: Images whose nearest training image is searched for, at most.
        path_length: Arguments of `PathLength`; None for no such loss.
        evaluator: Directory of a finished segmentation run, to evaluate images made from label maps.
        imagenet: Add scores on ImageNet features at the test, if their packages are installed.
        offset: Both players see (image - offset) / scale; None: training images get mean 0.
        scale: See offset; None: training images get deviation 1/2.
        scored: See `AdversarialTask`.

    Raises:
        UserError: A setting is out of range or does not fit the players.
    """

    animated = one_size = from_noise = True
    trivial, uses_boxes = "mean", False

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/swd",
        method: Method | None = None,
        max_images: int = 1000,
        nearest: int = 200,
        path_length: dict[str, Any] | None = None,
        evaluator: str | None = None,
        imagenet: bool = True,
        offset: float | None = None,
        scale: float | None = None,
        scored: str = "network",
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.condition = condition(self.generator, self.discriminator)
        self.learned = "class" if self.condition.classes else ""
        for key, value in (("max_images", max_images), ("nearest", nearest)):
            if value < 2:
                raise UserError(f"task.{key}: {value} images are too few for a score; give 2 or more")
        if path_length is not None and not hasattr(recipe.generator, "paint"):
            raise UserError("task.path_length: this generator has no styles; set it to null")
        if scale is not None and scale <= 0:
            raise UserError(f"task.scale: {scale} must be above 0; null computes it from the training images")
        self.normalisation = Normalisation(offset or 0.0, scale or 1.0)
        self.method = method or Method()
        self.generator_passes = self.method.generator_passes
        self.method.begin(Players(self.generator, self.discriminator, self.condition, self.normalisation))
        self.paths = PathLength(**path_length) if path_length is not None else None
        self.max_images, self.searched = max_images, nearest
        self.register_tables({stage: ImagePool(max_images) for stage in ("val", "test", "logits")})
        self.overfitting = OverfittingMonitor(self.discriminator, self.inputs_of, self.tables["logits"])
        self.data: DataModule | None = None
        self.set_scores: SetScores | None = None
        self.held_out = float("nan")
        self.tested, self.real_evaluation, self.reference_scores = (dict[str, float]() for _ in range(3))
        self.imagenet = imagenet and imagenet_features.available()
        self.notes += [imagenet_features.MISSING] if imagenet and not self.imagenet else []
        self.image_evaluator: MaskEvaluator | ClassEvaluator | ModeEvaluator | None = None
        self.legends = figures.legends(recipe.classes) if self.condition.masks else {}

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        return resolve_normalisation(AdversarialTask.resolve_settings(data, settled(given)), data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Return channels, sides and classes for each player; UserError for data that cannot be scored."""
        reference_scores.check_images(data)
        own, masks = data.channels, 0 if data.first_without("label") else len(data.mask_classes)
        shared = {"size": list(data.shape), "classes": len(data.image_classes)}
        return {
            "generator": {"out_channels": own, **shared, "label_channels": masks},
            "discriminator": {"image_channels": own, "in_channels": own + masks, **shared},
        }

    def generate(self, batch: Batch) -> Any:
        return self.method.generate(batch)

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[Arguments, Arguments]:
        images = self.method.images(output)
        fake = self.condition.discriminator_inputs(images, self.condition.conditioning(batch))
        return self.inputs_of(batch, batch["image"]), fake

    def inputs_of(self, batch: Batch, images: Tensor) -> Arguments:
        """Return the discriminator's arguments for images in the data's units, conditioned as this batch."""
        normalised = self.normalisation.normalise(images)
        return self.condition.discriminator_inputs(normalised, self.condition.conditioning(batch))

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        losses = self.method.task_losses(batch, output)
        if self.paths is not None and self.paths.is_due(self.batches_done):
            z = normal(batch["image"], (self.latent,))
            losses["path_length"] = self.paths(self.generator, z, *self.condition.conditioning(batch))
        return losses

    def training_step(self, batch: Batch, index: int) -> None:
        super().training_step(batch, index)
        if self.paths is not None and self.paths.is_due(self.batches_done - 1):
            self.paths.adapt()

    @property
    def latent(self) -> int:
        """Return the length of the noise vector."""
        return int(self.generator.latent)  # type: ignore[arg-type]

    @property
    def drawer(self) -> Drawer:
        """Return the generator that is scored, for images outside of training."""
        return Drawer(self.evaluator, self.condition, self.normalisation, self.recipe.seed, self.device)

    def facts(self, data: DataModule) -> ImageFacts:
        """Read what files of synthetic images need to know of the training images."""
        found = self.pictures["nearest"].title if "nearest" in self.pictures else None
        return ImageFacts.of(data).tested(self.batches_done, found)

    def sections_to_keep(self, data: DataModule) -> dict[str, Any]:
        return {"synthesis": self.facts(data).to_plain()}

    def predict(self, batch: Batch) -> Tensor:
        draw = self.drawer
        noise = torch.stack([draw.noise(name) for name in row_names(batch)]).to(batch["image"].device)
        inputs = (noise, *self.condition.conditioning(batch))
        parts = zip(*(torch.split(column, ROWS) for column in inputs), strict=True)
        return torch.cat([draw(*part) for part in parts])

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        if (files := self.files_of(stage)) is not None:
            prediction = files.read_back(batch, prediction)
        images, fakes = central_planes(batch["image"]), central_planes(prediction)
        self.tables[stage].update(row_names(batch), images, fakes)
        if stage == "val":
            self.overfitting.update(row_names(batch), batch, prediction)
        elif self.image_evaluator is not None:
            self.image_evaluator.update(row_names(batch), batch, prediction)

    def on_validation_epoch_start(self) -> None:
        self.data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.overfitting.start_validation(self.data, self.device)

    def scores(self, stage: str) -> dict[str, float]:
        real, fake = self.tables[stage].compute()
        self.tables[stage].reset()
        if not len(real):
            return dict.fromkeys(SCORES, float("nan"))
        self.set_scores = scores_against(real, self.imagenet and stage == "test", self.set_scores)
        self.tested = found = self.set_scores(fake)
        if stage == "val":
            found |= self.overfitting.scores()
            if self.data is not None and not self.reference_scores:  # the same at every validation
                self.reference_scores = reference_scores.all_references(
                    self.set_scores, self.data, self.max_images, self.recipe.seed
                )
            found |= self.reference_scores
        if stage == "test" and self.data is not None:
            window, n = figures.grey_window(real), self.searched
            memorisation = measure_memorisation(self.data, fake[:n], real[:n], window)
            self.held_out = memorisation.held_out
            found |= {"nearest": memorisation.fake, "copied": memorisation.share}
            self.pictures["nearest"] = memorisation.picture
            self.closing_lines = [memorisation.picture.title]
            self.pictures |= figures.further_pictures(self.drawer, self.data, window)
            if self.image_evaluator is not None:
                evaluated, self.real_evaluation = self.image_evaluator.scores()
                found |= evaluated
        return found

    def attach_mask_evaluator(self, network: nn.Module, window: int | list[int] | None) -> None:
        """Segment the synthetic test images with this network and score the result."""
        self.image_evaluator = MaskEvaluator(network, self.recipe.classes, window)

    def prepare_baselines(self, data: DataModule) -> None:
        self.data = data
        if self.condition.classes:
            self.image_evaluator = ClassEvaluator(data, self.max_images, self.device)
        elif symbol_count(data):
            self.image_evaluator = ModeEvaluator(data, self.device)

    def baseline_scores(self) -> dict[str, float]:
        if self.data is None or self.set_scores is None:
            return {}
        found = reference_scores.trivial(self.set_scores, self.data, self.max_images, self.recipe.seed)
        if why := reference_scores.fault(self.tested, found[f"{self.trivial}/swd"]):
            self.worthless(why)
        return found

    def worthless(self, why: str) -> None:
        self.closing_lines = withhold_finding(self.pictures, why)

    def floor_scores(self) -> dict[str, float]:
        """Return the scores of real training images: no generator can be expected to do better."""
        if self.data is None or self.set_scores is None:
            return {}
        copied = expected_share(min(self.searched, len(self.set_scores.real)))
        nearest = {"nearest": self.held_out, "copied": copied}
        return reference_scores.real(self.set_scores, self.data) | nearest | self.real_evaluation

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        """Return the image on the grid and in the units of the real case it is compared with."""
        return in_units(batch, prediction, rows)

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        return figures.panels(batch, prediction, self.condition.masks)
