"""Instance detection: image in, boxes and an instance map out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.baselines.detection import MeanBox
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.detection.instances import InstanceTable
from ganatomy.metrics.detection.table import Image
from ganatomy.networks.image_to_image.centernet import InstanceMaps
from ganatomy.pictures.instances import instance_columns
from ganatomy.tasks.detection.coco_files import boxes_found, image_of
from ganatomy.tasks.detection.drawing import FAINT, SURE
from ganatomy.tasks.detection.instances.grouping import grouped
from ganatomy.tasks.detection.instances.soft import SoftInstances, mirrored_back, soft_maps
from ganatomy.tasks.detection.instances.targets import encode, foreground_loss, vote_loss
from ganatomy.tasks.detection.instances.written import kept_numbers, scored_maps
from ganatomy.tasks.detection.losses import INSTANCE_WEIGHTS, loss_weights
from ganatomy.tasks.detection.task import ROWS, DetectionTask
from ganatomy.tasks.detection.views import SoftMaps
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import all_finite


class InstanceDetectionTask(DetectionTask):
    """Detect objects, and give each voxel of an object the number of its box.

    Two more maps than `DetectionTask`: the foreground, and for each voxel the way to the centre of its object
    (Kendall et al. 2018, arXiv 1705.07115; Cheng et al. 2020, arXiv 1911.10194). A voxel of the foreground
    joins the found box whose centre is nearest to the place that it votes for. The discriminator sees the
    foreground too. Voxels of objects without a box are neither learned nor shown to it.

    In validation boxes are grouped that reach the threshold of the validation before.

    Args:
        recipe: See `DetectionTask`; the generator returns `InstanceMaps`.
        monitor: Validation score that chooses the best checkpoint; `val/pq` and `val/aji` are scores too.
        losses: Weights of the losses, see `DetectionTask`, and of `foreground` and `vote`.
        instances: True; `DetectionTask` is the task without.
        boxes: Further settings of `DetectionTask`.

    Raises:
        UserError: If the generator has no heads of instances, or boxes are fused over mirror images.
    """

    written_like, table_kind = "instances", InstanceTable

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/map50",
        losses: dict[str, float] | None = None,
        instances: bool = True,
        **boxes: Any,
    ) -> None:
        weights = loss_weights(losses or {}, instances=True)
        self.own_losses = {name: weights.pop(name) for name in INSTANCE_WEIGHTS}
        if boxes.get("fusion", "maps") != "maps":
            raise UserError("task.fusion: instance maps need the mean maps of mirror images; set it to maps")
        if boxes.get("zooms"):
            raise UserError("task.zooms: instance maps are of one size; set it to []")
        super().__init__(recipe, monitor, weights, **boxes)
        if not getattr(self.generator, "instances", False):
            name = type(self.generator).__name__
            raise UserError(
                f"model.generator: {name} returns no foreground and votes; set model.generator.instances=true"
            )
        self.legends |= {"objects": {}, "found objects": {}}

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        found = DetectionTask.network_arguments(data)
        found["generator"]["instances"] = True
        found["discriminator"]["in_channels"] += 1
        return found

    def generate(self, batch: Batch) -> InstanceMaps:  # type: ignore[override]
        maps: InstanceMaps = self.generator(batch["image"])
        return maps

    def discriminator_inputs(self, batch: Batch, maps: InstanceMaps) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        real, fake = super().discriminator_inputs(batch, maps)  # type: ignore[arg-type]
        truth = encode(batch["instances"], batch["boxes"], self.stride)
        found = maps.foreground.float().sigmoid().clamp(FAINT, SURE)
        known = torch.where(truth.valid, truth.share.clamp(FAINT, SURE), found.detach())
        return torch.cat([real, known], 1), torch.cat([fake, found], 1)

    def task_losses(self, batch: Batch, maps: InstanceMaps) -> dict[str, Tensor]:  # type: ignore[override]
        truth = encode(batch["instances"], batch["boxes"], self.stride)
        losses = {"foreground": foreground_loss(maps.foreground, truth), "vote": vote_loss(maps.vote, truth)}
        own = {name: self.own_losses[name] * loss for name, loss in losses.items() if self.own_losses[name]}
        return super().task_losses(batch, maps) | own  # type: ignore[arg-type]

    def soft_prediction(self, batch: Batch) -> SoftInstances:  # type: ignore[override]
        """Return the five maps of all images."""
        parts: list[SoftInstances] = []
        for place, images in enumerate(torch.split(batch["image"], ROWS)):
            soft = soft_maps(self.evaluator, images, self.stride, self.mirror_axes, self.window)
            for each in soft:
                all_finite({"case": batch["case"][place * ROWS :]}, each)
            parts.append(soft)
        return SoftInstances(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def decide(self, batch: Batch, soft: SoftInstances) -> dict[str, Any]:  # type: ignore[override]
        """Return `found` and `heat` of `DetectionTask`, and `numbers`, the instance map of each image.

        Number i + 1 is that of box i; boxes below the threshold have no voxels.
        """
        decided = super().decide(batch, SoftMaps(soft.presence, soft.size, soft.offset))
        shape = batch["image"].shape[2:]
        counted = [each.boxes[each.scores >= self.threshold] for each in decided["found"]]
        numbers = [
            grouped(soft.foreground[row], soft.vote[row], boxes, self.stride, shape)
            for row, boxes in enumerate(counted)
        ]
        return decided | {"numbers": numbers}

    def mirrored_back(self, soft: SoftInstances, axes: Sequence[int]) -> SoftInstances:  # type: ignore[override]
        return mirrored_back(soft, axes)

    def score(self, stage: str, batch: Batch, prediction: dict[str, Any]) -> None:
        files, tried = self.files_of(stage), self.tried(stage, batch, prediction)
        for row in range(len(batch["image"])):
            image, numbers = image_of(batch, row, files), prediction["numbers"][row]
            for table, found in tried:
                boxes, scores, classes = (values.float().cpu().numpy() for values in found[row])
                self._add(table, files, batch, row, image((boxes, scores, classes)), numbers, classes)
            if stage != "test":
                continue
            picture = batch["image"][row].float().cpu().numpy()
            for name, (detector, threshold) in self.baselines.items():
                self.tables[name].threshold = threshold
                if isinstance(detector, MeanBox):
                    self.tables[name].update(image(detector(picture)))
                    continue
                answer, parts = detector.instances(picture)
                counted = torch.from_numpy(kept_numbers(parts, answer[1] >= threshold))
                self._add(self.tables[name], files, batch, row, image(answer), counted, answer[2])

    @staticmethod
    def _add(
        table: Any,
        files: Originals | None,
        batch: Batch,
        row: int,
        image: Image,
        numbers: Tensor,
        classes: np.ndarray,
    ) -> None:
        """Score the boxes and the instance map of an image, whose object i + 1 has the class of box i."""
        truth, truth_classes, found = scored_maps(batch, row, files, numbers)
        table.update(image, (truth, found), (truth_classes, classes.astype(int)))

    def answer(self, batch: Batch, prediction: dict[str, Any], rows: list[int]) -> Answer:
        found = super().answer(batch, prediction, rows)
        ours = prediction["found"][rows[0]]
        _, usable = boxes_found(batch, rows[0], ours, self.box_classes, self.threshold)
        numbers = kept_numbers(prediction["numbers"][rows[0]].cpu().numpy(), usable)
        return Answer(torch.from_numpy(numbers)[None], self.written_like, found.boxes, found.values)

    def saved_prediction(self, batch: Batch, prediction: dict[str, Any], rows: list[int]) -> Tensor | None:
        return self.answer(batch, prediction, rows).array

    def sample_panels(self, batch: Batch, prediction: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the same image as `DetectionTask`, with its true and its found objects."""
        columns = super().sample_panels(batch, prediction)
        row = int(np.argmax(np.array([len(boxes) for boxes in batch["boxes"]]) > 0))
        truth, found = batch["instances"][row, 0], prediction["numbers"][row]
        image = batch["image"][row].float().cpu().numpy()
        first = [*batch["boxes"][row].cpu().numpy(), *prediction["found"][row].boxes.float().cpu().numpy()]
        return columns | instance_columns(image, truth.cpu().numpy(), found.cpu().numpy(), first)
