"""Anomaly detection learned from healthy images alone: what a model of them cannot make is anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.baselines.anomaly import Map
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.anomaly import AnomalyTable
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.synthesis.distance import sliced_wasserstein
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.tasks.anomaly import baselines, figures
from ganatomy.tasks.anomaly.anomaly_map import Findings, highest, middle_planes, smoothed
from ganatomy.tasks.anomaly.answers import answer_of, kept_state, load_state
from ganatomy.tasks.anomaly.base import NO_METHOD, Method, Players, check_settings
from ganatomy.tasks.anomaly.files import box_rows, gather_rows, lesions_of_files, maps_of_files, write_rows
from ganatomy.tasks.anomaly.healthy import healthy_settings, numbered
from ganatomy.tasks.phases import Phased
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.cohort import sample_training_images
from ganatomy.tasks.shared.fixed_noise import fixed_rows, row_names
from ganatomy.tasks.shared.volumes import all_finite, stack_slices

ROWS = 64
"""Images per forward pass."""
MAX_IMAGES = 1000
"""Training images for the baselines, and validation images for the score of a first phase, at most."""


class AnomalyTask(Phased):
    """Train on healthy subjects, and score every image and every pixel of it.

    Args:
        recipe: Players, optimisers and settings of the training.
        monitor: Validation score that chooses the best checkpoint.
        method: How healthy images are learned and an image is scored; see `tasks.anomaly.methods`.
        healthy: Class of healthy images; see `chosen` for null.
        lesion: Label of lesions; see `chosen` for null.
        kinds: Names of the image classes.
        smooth: Deviation in pixels of the Gaussian over every map, also the baselines'.
        quantile: Quantile of the pixels of healthy validation images, above which a pixel is in a box.
        components: Principal components of the baseline `pca`.
        denoising_steps: Training steps of the baseline `denoising`.
        search_images: Test images, half of them anomalous, on which AnoGAN's search is compared; 0 for none.
        search_steps: Steps of that search.
        scored: See `AdversarialTask`.

    Raises:
        UserError: There is no method, or a setting is out of range.
    """

    written_like = "map"
    soft_kind, doubted = "values", 1
    one_size, uses_boxes = True, False
    trivial, judged_by, synthetic = "chance", "auroc", "class"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/reconstruction",
        method: Method | None = None,
        healthy: str | None = None,
        lesion: str | None = None,
        kinds: list[str] | None = None,
        smooth: float = 1.0,
        quantile: float = 0.999,
        components: int = 64,
        denoising_steps: int = 250,
        search_images: int = 64,
        search_steps: int = 100,
        scored: str = "network",
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if method is None:
            raise UserError(f"task.method: {NO_METHOD}")
        counts = {"components": components, "denoising_steps": denoising_steps, "search_steps": search_steps}
        check_settings(smooth, quantile, search_images, counts)
        self.healthy = numbered({"healthy": healthy, "lesion": lesion}, kinds or [], recipe.classes)
        self.smooth, self.quantile, self.method = smooth, quantile, method
        self.plain_answer = method.plain_answer
        self.components, self.denoising_steps = components, denoising_steps
        self.search_images, self.search_steps = search_images, search_steps
        pixels = lesion is not None
        self.register_tables({name: AnomalyTable(pixels) for name in ("val", "test", *baselines.NAMES)})
        self.reconstruction, self.pool = CaseTable(["reconstruction"]), ImagePool(MAX_IMAGES)
        self.baselines: dict[str, Map] = {}
        networks = self.generator, self.discriminator, self.evaluator
        players = Players(*networks, self.game, self.stepping_optimizer, recipe.optimizers)
        self.plan_phases(method.phases(players), **method.modules_to_keep())
        self.players += method.further_players
        self.threshold = float("nan")
        self.boxes: list[dict[str, Any]] = []
        self.chance: dict[str, float] = {}
        self.search: dict[str, float] = {}

    resolve_settings = staticmethod(healthy_settings)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Return channels and sides for each player; UserError for data in patches."""
        if data.patches is not None:
            raise UserError("data.patch: this task scores whole images; set data.patch=null and a data.size")
        own, size = data.channels, list(data.shape)
        return {
            "generator": {"in_channels": own, "out_channels": own, "size": size},
            "discriminator": {"in_channels": own, "image_channels": own, "out_channels": 1, "size": size},
        }

    def trainable(self, player: str) -> nn.Module:
        return self.method.trainable(player)

    def predict(self, batch: Batch) -> Findings | Tensor:
        """Return `Findings`, or in a first phase an image from noise for each row."""
        if not self.preparing:
            found: Findings = self.averaged(batch)
            return found
        decoder: Any = self.evaluator.decoder
        noise = fixed_rows(batch, self.recipe.seed, int(self.generator.latent))  # type: ignore[arg-type]
        return torch.cat([decoder(z).float() for z in torch.split(noise, ROWS)])

    def soft_prediction(self, batch: Batch) -> Findings:
        parts = [self.score_images(part) for part in torch.split(batch["image"], ROWS)]
        return Findings(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def score_images(self, images: Tensor) -> Findings:
        """Return the findings of the method in images [B, C, *spatial]."""
        reconstruction, score = self.method.score_images(images, self.anomaly_map)
        return Findings(reconstruction, self.anomaly_map(images - reconstruction), score.float())

    def anomaly_map(self, difference: Tensor) -> Tensor:
        """Return the map [B, *spatial] of differences [B, C, *spatial]."""
        return smoothed(difference.abs(), self.smooth)

    def undefined(self, data: DataModule) -> list[str]:
        return self.healthy.undefined(data)

    def score(self, stage: str, batch: Batch, prediction: Findings | Tensor) -> None:
        ill, masks = self.healthy.truth(batch)
        names, image = row_names(batch), batch["image"]
        for answer in prediction if isinstance(prediction, Findings) else (prediction,):
            all_finite(batch, answer)
        healthy = [row for row, is_ill in enumerate(ill.tolist()) if not is_ill]
        if not isinstance(prediction, Findings):
            if healthy:
                planes = middle_planes(image[healthy], prediction[healthy])
                self.pool.update([names[row] for row in healthy], *planes)
            return
        if stage == "val":
            error = (image - prediction.reconstruction).abs().flatten(1).mean(1)
            for row in healthy:
                self.reconstruction.update(names[row], {"reconstruction": float(error[row])})
        found = {stage: (prediction.score, prediction.map)}
        if stage == "test":
            for name, baseline in self.baselines.items():
                maps = smoothed(baseline(image), self.smooth)
                found[name] = (highest(maps), maps)
            self.boxes += box_rows(batch, names, prediction.map, self.threshold)
        files = self.files_of(stage)
        lesions, ill = (
            (masks, ill) if files is None else lesions_of_files(files, batch, self.healthy.lesion, ill)
        )
        for name, (scores, maps) in found.items():
            drawn = maps if files is None else maps_of_files(files, batch, maps, self.written_like)
            self.tables[name].update(names, batch["subject"], scores, ill, drawn, lesions)

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores; in a first phase with `swd` between images from noise and healthy ones."""
        self.chance = self.tables[stage].chance()
        found = super().scores(stage)
        if stage == "test":
            self.boxes = gather_rows(self.boxes)
            return found | {name: v for name, v in self.search.items() if not name.startswith("search/")}
        found["reconstruction"] = float(self.reconstruction.compute()["reconstruction"])
        self.reconstruction.reset()
        if self.preparing:
            real, fake = self.pool.compute()
            self.pool.reset()
            if len(real):
                found["swd"] = float(np.mean(list(sliced_wasserstein(fake, real).values())))
                self.offer(found["swd"], **self.method.modules_to_keep())
        return found

    def prepare_baselines(self, data: DataModule) -> None:
        """Fit the baselines on training images, and the threshold of boxes on healthy validation images."""
        training = sample_training_images(data, MAX_IMAGES).to(self.device)
        numbers = self.components, self.denoising_steps, self.recipe.seed
        self.baselines, known = baselines.fitted_once(data, training, *numbers)
        self.closing_lines += known
        healthy = baselines.with_truth(data, self.healthy, self.device, "val")
        self.threshold = baselines.threshold(healthy, self.score_images, self.quantile)
        self._search(data)

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return baselines.states(self.baselines)

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.baselines = baselines.from_states(kept, data, self.device)
        self._search(data)

    def _search(self, data: DataModule) -> None:
        self.boxes, self.search = [], {}
        if self.method.searches and self.search_images:
            tested = baselines.with_truth(data, self.healthy, self.device, "test")
            search = partial(self.method.search_scores, steps=self.search_steps)
            self.search = baselines.compare_with_search(tested, self.score_images, search, self.search_images)

    def baseline_scores(self) -> dict[str, float]:
        """Return the scores of the baselines, of chance, and of the search on its images."""
        chance = {f"chance/{name}": value for name, value in self.chance.items()}
        search = {n: v for n, v in self.search.items() if n.startswith("search/")}
        return super().baseline_scores() | chance | search

    def sample_panels(self, batch: Batch, prediction: Findings | Tensor) -> dict[str, np.ndarray]:
        return figures.sample_columns(batch, prediction, *self.healthy.truth(batch))

    def saved_prediction(self, batch: Batch, prediction: Findings, rows: list[int]) -> Tensor | None:
        """Return the map in the network's units, since units of files differ from case to case."""
        return stack_slices(batch, prediction.map[:, None], rows)

    def answer(self, batch: Batch, prediction: Findings, rows: list[int]) -> Answer:
        drawn = self.saved_prediction(batch, prediction, rows)
        return answer_of(drawn, batch, prediction, rows, self.threshold)

    def state_to_keep(self) -> dict[str, Tensor]:
        return kept_state(self.threshold, self.discriminator if self.method.scores_by_discriminator else None)

    def load_kept_state(self, state: dict[str, Tensor]) -> None:
        """Take over the kept state; the run is then in its last phase."""
        self.threshold = load_state(state, self.discriminator)
        if self.best is not None:
            self.best.phase = len(self.phases) - 1

    def join(self, others: Sequence[AnomalyTask]) -> None:
        self.threshold = float(np.mean([task.threshold for task in (self, *others)]))

    def write_test_files(self, directory: Path) -> None:
        """Write anomalies.csv: the boxes found, in voxels of the case's file."""
        write_rows(directory / "anomalies.csv", self.boxes)
