"""Detection: image in, boxes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.pictures.boxes import HEAT, TRUTH, class_colours
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.detection.baselines import Fitted, fit_baselines, from_states, states
from ganatomy.tasks.detection.centernet_targets import TruthMaps
from ganatomy.tasks.detection.coco_files import boxes_found, image_of, write_boxes
from ganatomy.tasks.detection.decoder import Decoder, RefinedBoxes, check_iou
from ganatomy.tasks.detection.drawing import drawn, panels
from ganatomy.tasks.detection.instances.chosen import LEAST, decided
from ganatomy.tasks.detection.losses import box_losses, loss_weights
from ganatomy.tasks.detection.typical import typical_sides
from ganatomy.tasks.detection.views import MapsOrViews, SoftMaps, SoftViews, maps_in_windows, mirrored_back
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.foreseen import missing_classes, refuse_unmarked
from ganatomy.tasks.shared.mirrors import MirrorAxes, checked_mirror_axes
from ganatomy.tasks.shared.sliding_window import in_windows
from ganatomy.tasks.shared.volumes import all_finite

ROWS = 16
"""Images per forward pass in evaluation."""


class DetectionTask(RefinedBoxes):
    """Detect objects by CenterNet; the discriminator compares (image, true maps) with (image, found maps).

    After each validation the score threshold with the largest F1 is chosen and kept for the test.

    Args:
        recipe: Players, objective and optimisers; the generator returns `Maps`.
        monitor: Validation score that chooses the best checkpoint.
        losses: Weights of the losses, see `box_losses`.
        gaussian: Shape of the true centre maps, see `centernet_targets.encode`.
        box_cells: Cells that are trained on an object's box, see there.
        max_detections: Most boxes per image; None: as many as the training images need.
        nms_iou: Of two boxes of a class with a larger IoU, the one with the lower score is dropped.
        vote: Average the box of each peak with those of the cells around it.
        fusion: How mirror images become one answer, see `Decoder`.
        zooms: Sizes at which each image is seen too in evaluation, see there.
        refine: "edges" moves the sides of boxes towards edges of the image, by a share of the way that each
            validation chooses; None leaves them.
        match_iou: Lowest IoU at which a box matches an object, for FROC, sensitivity and the score threshold.
        mirror_axes: Axes along which images are flipped and maps averaged in evaluation.
        scored: "file" or "network", see `AdversarialTask`.
        window: Sides of the sliding window in evaluation; None for whole images.
        instances: False; `InstanceDetectionTask` is the task that finds instance maps too.

    Raises:
        UserError: If a loss is unknown, a number is out of range, or the generator returns no boxes.
    """

    trivial, learned = "mean_box", "boxes"
    soft_kind, table_kind = "presence", DetectionTable

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/map50",
        losses: dict[str, float] | None = None,
        gaussian: Literal["circle", "ellipse"] = "circle",
        box_cells: Literal["near", "gaussian"] = "near",
        max_detections: int | None = 100,
        nms_iou: float = 0.5,
        vote: bool = False,
        fusion: Literal["maps", "wbf"] = "maps",
        zooms: Sequence[float] = (),
        refine: Literal["edges"] | None = None,
        match_iou: float = 0.3,
        mirror_axes: MirrorAxes = (),
        scored: str = "network",
        window: list[int] | None = None,
        instances: bool = False,
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.losses, self.match_iou, self.window = loss_weights(losses or {}), match_iou, window
        check_iou("match_iou", match_iou)
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.stride, self.box_classes = self._of_generator("stride"), tuple(self._of_generator("classes"))
        most = LEAST if max_detections is None else max_detections
        self.decoder = Decoder(self.stride, most, nms_iou, vote, fusion, tuple(zooms))
        if fusion == "wbf" and not self.mirror_axes:
            raise UserError("task.fusion: wbf fuses the boxes of mirror images; give task.mirror_axes=[0,1]")
        tables = {name: self._table() for name in ("val", "test", "threshold", "watershed")}
        self.register_tables(tables | {"mean_box": self._table(plain=True)})
        self.default_threshold = float(self._of_generator("threshold"))
        self.begin_refinement(refine, self._table)
        self.baselines: dict[str, Fitted] = {}
        self.test_images: list[Image] = []
        self._truth = TruthMaps(len(self.box_classes), self.stride, gaussian, box_cells)
        found = class_colours(self.box_classes)
        self.legends = {"truth": found, "found": found | {"truth": TRUTH}, "centre map": {"centre": HEAT}}

    def _table(self, plain: bool = False) -> DetectionTable:
        kind = DetectionTable if plain else self.table_kind
        return kind(self.box_classes, self.recipe.spatial_dims, self.match_iou)

    def _of_generator(self, key: str) -> Any:
        if not hasattr(self.generator, key):
            name = type(self.generator).__name__
            raise UserError(f"model.generator: {name} returns no boxes; choose model=centernet_gan")
        return getattr(self.generator, key)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        return decided(in_windows(AdversarialTask.resolve_settings(data, given), data), data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Return channels and classes of each player; raise UserError for data without boxes."""
        if "boxes" not in data.train_items()[0, 0] or not data.box_classes:
            raise UserError("data: these cases have no boxes; choose other data, such as data=brain_lesions")
        if data.sliced:
            raise UserError("data.spatial_dims: boxes of volumes need data.spatial_dims=3")
        refuse_unmarked(data, "boxes", "a box")
        maps = len(data.box_classes) + data.spatial_dims
        own = {"classes": list(data.box_classes), "typical_sides": typical_sides(data)}
        return {
            "generator": {"in_channels": data.channels, **own},
            "discriminator": {"in_channels": data.channels + maps, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Maps:
        maps: Maps = self.generator(batch["image"])
        return maps

    def discriminator_inputs(self, batch: Batch, maps: Maps) -> tuple[Tensor, Tensor]:
        truth = self._truth(batch["boxes"], batch["classes"], maps.centre)
        small = F.interpolate(batch["image"].float(), size=maps.centre.shape[2:], mode="area")
        real = drawn(small, truth.centre, truth.spread)
        return real, drawn(small, maps.centre.float().sigmoid(), maps.size.float())

    def task_losses(self, batch: Batch, maps: Maps) -> dict[str, Tensor]:
        return box_losses(maps, self._truth(batch["boxes"], batch["classes"], maps.centre), self.losses)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move all but the boxes: making maps of them on a GPU would stop the host many times a batch."""
        boxes = {key: batch[key] for key in ("boxes", "classes") if key in batch}
        others = {key: value for key, value in batch.items() if key not in boxes}
        return {**super().transfer_batch_to_device(others, device, dataloader_idx), **boxes}

    def soft_prediction(self, batch: Batch) -> SoftMaps | SoftViews:
        """Return centre probabilities, sizes and offsets of all images."""
        parts: list[SoftMaps | SoftViews] = []
        for place, images in enumerate(torch.split(batch["image"], ROWS)):
            maps = self.decoder.soft(self._in_windows, images, self.mirror_axes)
            for each in maps:
                all_finite({"case": batch["case"][place * ROWS :]}, each)
            parts.append(maps)
        return type(parts[0])(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def decide(self, batch: Batch, soft: SoftMaps | SoftViews) -> dict[str, Any]:
        """Return `found`, the boxes of each image, and `heat` [B, *cells], the largest centre probability."""
        found, heat = self.decoder(soft, batch["image"].shape[2:]), soft.presence.amax(1)
        return self.with_refined(batch, {"found": found, "heat": heat})

    def mirrored_back(self, soft: MapsOrViews, axes: Sequence[int]) -> MapsOrViews:
        return mirrored_back(soft, axes)

    @property
    def fusion(self) -> str:
        """Return what the members of an ensemble must share: the views of a soft prediction."""
        return self.decoder.shared(self.mirror_axes)

    def join(self, others: Sequence[DetectionTask]) -> None:
        mean = sum(task.threshold for task in (self, *others)) / (1 + len(others))
        self.evaluator.threshold.fill_(mean)  # type: ignore[operator]
        self.join_refinement(others)

    def _in_windows(self, images: Tensor) -> Maps:
        return maps_in_windows(self.evaluator, images, self.stride, self.window)

    def prepare_baselines(self, data: DataModule) -> None:
        score, make = self.monitor.split("/")[1], partial(self._table, plain=True)
        most = self.decoder.max_detections
        self.baselines = fit_baselines(data, make, score, len(self.box_classes), most)

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return states(self.baselines)

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.baselines = from_states(kept)
        if "watershed" not in self.baselines:  # of a run of an earlier version
            self.tables.pop("watershed", None)

    def undefined(self, data: DataModule) -> list[str]:
        return missing_classes(data, "boxes", self.box_classes, "box", "map50")

    def score(self, stage: str, batch: Batch, prediction: dict[str, Any]) -> None:
        tried = self.tried(stage, batch, prediction)
        for row in range(len(batch["image"])):
            image = image_of(batch, row, self.files_of(stage))
            for table, found in tried:
                table.update(image(tuple(values.float().cpu().numpy() for values in found[row])))  # type: ignore[arg-type]
            if stage == "test":
                picture = batch["image"][row].float().cpu().numpy()
                for name, (detector, threshold) in self.baselines.items():
                    self.tables[name].threshold = threshold
                    self.tables[name].update(image(detector(picture)))

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores of a stage; a validation chooses the threshold and keeps it in the generator.

        If no box matches an object, the threshold is the one that the generator was built with.
        """
        table: DetectionTable = self.tables[stage]
        if stage == "val":
            self.choose_refinement()
            chosen = self.tables[stage].choose()
            for network in {self.generator, self.evaluator}:
                network.threshold.fill_(self.default_threshold if chosen is None else chosen)  # type: ignore[operator]
        else:
            table.threshold = self.threshold
            with table.sync_context():
                self.test_images = table.images()
        return super().scores(stage)

    @property
    def threshold(self) -> float:
        """Return the score from which on boxes count."""
        return float(self.evaluator.threshold)  # type: ignore[arg-type]

    def answer(self, batch: Batch, prediction: dict[str, Any], rows: list[int]) -> Answer:
        found, _ = boxes_found(batch, rows[0], prediction["found"][rows[0]], self.box_classes, self.threshold)
        return Answer(boxes=found, values={"boxes": float((found.scores >= found.threshold).sum())})

    def write_test_files(self, directory: Path) -> None:
        write_boxes(directory / "predictions", self.test_images, self.box_classes, self.threshold)

    def sample_panels(self, batch: Batch, prediction: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the first image with an object: its truth, the boxes above the threshold, the centre map."""
        return panels(batch, prediction, self.box_classes, self.threshold)
