"""Anomaly detection, learned from healthy images alone: what a model of them cannot make is suspicious."""

from __future__ import annotations

import csv
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
from ganatomy.tasks.anomaly import baselines
from ganatomy.tasks.anomaly import figures as anomaly_figures
from ganatomy.tasks.anomaly import files as anomaly_files
from ganatomy.tasks.anomaly.anomaly_map import Findings, highest, smoothed
from ganatomy.tasks.anomaly.healthy import chosen, leave_out_the_others, numbered
from ganatomy.tasks.anomaly.methods import Method, Players
from ganatomy.tasks.base import all_labelled
from ganatomy.tasks.phases import Phased
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.cohort import sample_training_images
from ganatomy.tasks.shared.fixed_noise import fixed_noise, row_names
from ganatomy.tasks.shared.volumes import all_finite, rows_by_case, stack_slices

ROWS = 64
"""Images that are judged at a time."""
MOST = 1000
"""Training images that baselines are fitted on, and validation images that the first phase is judged by."""


class AnomalyTask(Phased):
    """Trained on healthy subjects; scores every image, and every pixel of it.

    method: how the healthy are learned and an image is judged (see `tasks.anomaly.methods`). healthy, lesion:
    the kind of healthy images and the label of lesions; see `chosen` for null. kinds: names of the values of
    `class`. smooth: deviation, in pixels, of the Gaussian over every map, ours and the baselines'. quantile:
    of the pixels of healthy validation images, above which a pixel is in a box. components, denoising_steps:
    of the baselines. search_images, search_steps: on how many test images, half of them anomalous, and for
    how many steps AnoGAN's search is compared; 0 images for none.
    """

    written_like = "map"
    one_size = True

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
            raise UserError(
                "task.method: this model says not how to judge an image; choose model=fanogan, ganomaly or "
                "autoencoder"
            )
        counts = {"components": components, "denoising_steps": denoising_steps, "search_steps": search_steps}
        _check(smooth, quantile, counts)
        if search_images < 0 or search_images == 1:
            raise UserError(f"task.search_images: {search_images}; give 0 for no search, or 2 images or more")
        self.healthy = numbered({"healthy": healthy, "lesion": lesion}, kinds or [], recipe.classes)
        self.smooth, self.quantile, self.method = smooth, quantile, method
        self.plain_answer = method.plain_answer
        self.components, self.denoising_steps = components, denoising_steps
        self.search_images, self.search_steps = search_images, search_steps
        pixels = lesion is not None
        self.register_tables({name: AnomalyTable(pixels) for name in ("val", "test", *baselines.NAMES)})
        self.reconstruction, self.pool = CaseTable(["reconstruction"]), ImagePool(MOST)
        self.baselines: dict[str, Map] = {}
        players = Players(
            self.generator, self.discriminator, self.evaluator, self.game, self.movers, recipe.optimizers
        )
        self.plan_phases(method.phases(players), **method.worth_keeping())
        self.players += method.further_players
        self.threshold = float("nan")
        self.boxes: list[dict[str, Any]] = []
        self.chance: dict[str, float] = {}
        self.search: dict[str, float] = {}

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """Who is healthy, by name; the others among the training subjects are left out."""
        all_labelled(data)
        found = chosen(given, data.image_classes, data.mask_classes)
        leave_out_the_others(data, numbered(found, data.image_classes, data.mask_classes))
        return {**given, **found, "kinds": list(data.image_classes)}

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Channels and sides for each player; UserError for data that are cut into patches."""
        if data.patches is not None:
            raise UserError("data.patch: whole images are judged; set data.patch=null and a data.size")
        own, size = data.channels, list(data.shape)
        return {
            "generator": {"in_channels": own, "out_channels": own, "size": size},
            "discriminator": {"in_channels": own, "image_channels": own, "out_channels": 1, "size": size},
        }

    def moved(self, player: str) -> nn.Module:
        return self.method.moved(player)

    def predict(self, batch: Batch) -> Findings | Tensor:
        """`Findings`; before anything can be judged, an image of noise for each row."""
        if self.preparing:
            decoder: Any = self.evaluator.decoder
            latent = int(self.generator.latent)  # type: ignore[arg-type]
            noise = torch.stack([fixed_noise(self.recipe.seed, name, latent) for name in row_names(batch)])
            return torch.cat([decoder(z).float() for z in torch.split(noise.to(batch["image"]), ROWS)])
        parts = [self.judge(part) for part in torch.split(batch["image"], ROWS)]
        return Findings(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def judge(self, images: Tensor) -> Findings:
        """What the method says of images [B, C, *spatial]."""
        made, score = self.method.judge(images, self.mapped)
        return Findings(made, self.mapped(images - made), score.float())

    def mapped(self, difference: Tensor) -> Tensor:
        """Differences [B, C, *spatial] as a map [B, *spatial]."""
        return smoothed(difference.abs(), self.smooth)

    def undefined(self, data: DataModule) -> list[str]:
        return self.healthy.undefined(data)

    def score(self, stage: str, batch: Batch, prediction: Findings | Tensor) -> None:
        ill, masks = self.healthy.truth(batch)
        called, image = row_names(batch), batch["image"]
        for answer in prediction if isinstance(prediction, Findings) else (prediction,):
            all_finite(batch, answer)
        sound = [row for row, wrong in enumerate(ill.tolist()) if not wrong]
        if not isinstance(prediction, Findings):
            if sound:
                self.pool.update([called[row] for row in sound], *_planes(image[sound], prediction[sound]))
            return
        if stage == "val":
            apart = (image - prediction.made).abs().flatten(1).mean(1)
            for row in sound:
                self.reconstruction.update(called[row], {"reconstruction": float(apart[row])})
        found = {stage: (prediction.score, prediction.map)}
        if stage == "test":
            for name, apart_by in self.baselines.items():
                maps = smoothed(apart_by(image), self.smooth)
                found[name] = (highest(maps), maps)
            self.boxes += anomaly_files.boxes(batch, called, prediction.map, self.threshold)
        files = self.files_of(stage)
        lesions, ill = (
            (masks, ill) if files is None else anomaly_files.marked(files, batch, self.healthy.lesion, ill)
        )
        for name, (scores, maps) in found.items():
            drawn = maps if files is None else self._on_files(files, batch, maps)
            self.tables[name].update(called, batch["subject"], scores, ill, drawn, lesions)

    def _on_files(self, files: Originals, batch: Batch, maps: Tensor) -> list[list[Tensor]]:
        """For each row the planes of the files of maps [B, *spatial] that are its own."""
        found: list[list[Tensor]] = [[] for _ in maps]
        for _, rows in rows_by_case(batch):
            maps_of = stack_slices(batch, maps[:, None], rows)
            written = files.as_written(batch, rows, maps_of, self.written_like)
            for row, planes in files.shared(batch, rows, written.numbers):
                found[row] = [torch.from_numpy(plane[0]) for plane in planes]
        return found

    def scores(self, stage: str) -> dict[str, float]:
        """Of the last phase; before it, how far images from noise lie from healthy ones (`swd`)."""
        self.chance = self.tables[stage].chance()
        found = super().scores(stage)
        if stage == "test":
            self.boxes = anomaly_files.gathered(self.boxes)
            return found | {name: v for name, v in self.search.items() if not name.startswith("search/")}
        found["reconstruction"] = float(self.reconstruction.compute()["reconstruction"])
        self.reconstruction.reset()
        if self.preparing:
            real, fake = self.pool.compute()
            self.pool.reset()
            if len(real):
                found["swd"] = float(np.mean(list(sliced_wasserstein(fake, real).values())))
                self.offer(found["swd"], **self.method.worth_keeping())
        return found

    def prepare_baselines(self, data: DataModule) -> None:
        """The rivals, fitted on training images; the threshold of boxes, from healthy validation images; and
        the search, where the method has one."""
        self.boxes = []
        training = sample_training_images(data, MOST).to(self.device)
        steps, seed = self.denoising_steps, self.recipe.seed
        self.baselines = baselines.fitted(training, self.components, steps, seed)
        split = partial(baselines.with_truth, data, self.healthy, self.device)
        self.threshold = baselines.threshold(split("val"), self.judge, self.quantile)
        self.search = {}
        if self.method.searches and self.search_images:
            slow = partial(self.method.searched, steps=self.search_steps)
            self.search = baselines.searched(split("test"), self.judge, slow, self.search_images)

    def baseline_scores(self) -> dict[str, float]:
        """Also of chance, and of the search on the images searched."""
        chance = {f"chance/{name}": value for name, value in self.chance.items()}
        search = {n: v for n, v in self.search.items() if n.startswith("search/")}
        return super().baseline_scores() | chance | search

    def sample_panels(self, batch: Batch, prediction: Findings | Tensor) -> dict[str, np.ndarray]:
        return anomaly_figures.columns(batch, prediction, *self.healthy.truth(batch))

    def saved_prediction(self, batch: Batch, prediction: Findings, rows: list[int]) -> Tensor | None:
        """The map, in the network's units: those of files differ from case to case, and rank none."""
        return stack_slices(batch, prediction.map[:, None], rows)

    def write_test_files(self, directory: Path) -> None:
        """anomalies.csv: the boxes that were found, in voxels of the case's file."""
        with (directory / "anomalies.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, anomaly_files.COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.boxes)


def _planes(*images: Tensor) -> list[Tensor]:
    """[n, C, H, W]: of volumes the middle plane along the last axis."""
    return [each if each.dim() == 4 else each[..., each.shape[-1] // 2] for each in images]


def _check(smooth: float, quantile: float, counts: dict[str, int]) -> None:
    if smooth < 0:
        raise UserError(f"task.smooth: {smooth} must not be negative")
    if not 0 < quantile < 1:
        raise UserError(f"task.quantile: {quantile} is outside (0, 1)")
    for key, value in counts.items():
        if value < 1:
            raise UserError(f"task.{key}: {value} must be 1 or more")
