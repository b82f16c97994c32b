"""Detection: image in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.baselines.detection import Detector, mean_box, sizes_of, threshold_detectors
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.pictures.boxes import HEAT, TRUTH, case_columns, class_colours
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.detection.centernet_targets import (
    Found,
    Truth,
    decode,
    encode,
    maps_in_windows,
    mirrored_maps,
)
from ganatomy.tasks.detection.coco_files import image_of, write_boxes
from ganatomy.tasks.detection.losses import centre_focal, centre_l1
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.foreseen import missing_classes
from ganatomy.tasks.shared.sliding_window import checked_mirror_axes, in_windows
from ganatomy.tasks.shared.volumes import all_finite

ROWS = 16
"""Images that are passed at once in evaluation."""
CHOSEN_ON = 48
"""On how many validation images the threshold detector is chosen, at most."""
FAINT, SURE = 0.02, 0.9
"""Centre maps are drawn between these: below and above, truth and prediction look the same."""


class DetectionTask(AdversarialTask):
    """The generator gives `Maps`; the discriminator tells (image, drawn truth) from (image, drawn maps).

    losses: weights of the centre, size and offset losses. top: candidates an image, at most. overlap: IoU
    from which the weaker of two boxes of a class is dropped. hit: least IoU of a box that finds an object,
    for FROC, sensitivity and the score threshold. The threshold is that of the largest F1 on validation and
    is kept for the test. mirror: axes; in evaluation maps are means over the image mirrored along them, and
    not. window: sides of the windows of evaluation; None for whole images.
    """

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/map50",
        losses: dict[str, float] | None = None,
        max_detections: int = 100,
        nms_iou: float = 0.5,
        match_iou: float = 0.3,
        mirror_axes: Sequence[int] = (),
        scored: str = "network",
        window: list[int] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.losses = {"centre": 1.0, "size": 0.1, "offset": 1.0} | (losses or {})
        if unknown := set(self.losses) - {"centre", "size", "offset"}:
            raise UserError(f"task.losses: no loss is named {unknown.pop()}; choose centre, size, offset")
        for key, value in (("nms_iou", nms_iou), ("match_iou", match_iou)):
            if not 0 < value < 1:
                raise UserError(f"task.{key}: {value}; an IoU lies between 0 and 1")
        if max_detections < 1:
            raise UserError(f"task.max_detections: {max_detections}; must be at least 1")
        self.max_detections, self.nms_iou, self.window = max_detections, nms_iou, window
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.stride, self.kinds = self._of_generator("stride"), tuple(self._of_generator("classes"))
        self.register_tables(
            {
                name: DetectionTable(self.kinds, recipe.spatial_dims, match_iou)
                for name in ("val", "test", "threshold", "mean_box")
            }
        )
        self.undecided = float(self._of_generator("threshold"))
        self.baselines: dict[str, Detector] = {}
        self.answers: list[Image] = []
        self.curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._drawn: tuple[list[Tensor], Truth] | None = None
        found = class_colours(self.kinds)
        self.legends = {"truth": found, "found": found | {"truth": TRUTH}, "centre map": {"centre": HEAT}}

    def _of_generator(self, key: str) -> Any:
        if not hasattr(self.generator, key):
            name = type(self.generator).__name__
            raise UserError(f"model.generator: {name} gives no boxes; choose model=centernet_gan")
        return getattr(self.generator, key)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        return in_windows(AdversarialTask.resolve_settings(data, given), data)

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """What the data decide about each player; UserError for data without boxes."""
        if "boxes" not in data.train_items()[0, 0] or not data.box_classes:
            raise UserError("data: these cases have no boxes; choose others, such as data=brain_lesions")
        if data.sliced:
            raise UserError("data.spatial_dims: boxes of volumes need data.spatial_dims=3")
        maps = len(data.box_classes) + data.spatial_dims
        return {
            "generator": {"in_channels": data.channels, "classes": list(data.box_classes)},
            "discriminator": {"in_channels": data.channels + maps, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Maps:
        maps: Maps = self.generator(batch["image"])
        return maps

    def discriminator_inputs(self, batch: Batch, maps: Maps) -> tuple[Tensor, Tensor]:
        truth = self._truth(batch, maps)
        small = F.interpolate(batch["image"].float(), size=maps.centre.shape[2:], mode="area")
        real = drawn(small, truth.centre, truth.spread)
        return real, drawn(small, maps.centre.float().sigmoid(), maps.size.float())

    def task_losses(self, batch: Batch, maps: Maps) -> dict[str, Tensor]:
        truth = self._truth(batch, maps)
        losses = {
            "centre": centre_focal(maps.centre, truth.centre),
            "size": centre_l1(maps.size, truth.size, truth.places),
            "offset": centre_l1(maps.offset, truth.offset, truth.places),
        }
        return {name: self.losses[name] * loss for name, loss in losses.items() if self.losses[name]}

    def _truth(self, batch: Batch, maps: Maps) -> Truth:
        """The drawn truth of a batch; made once for the losses and the discriminator."""
        if self._drawn is None or self._drawn[0] is not batch["boxes"]:
            cells = maps.centre.shape[2:]
            truth = encode(batch["boxes"], batch["classes"], len(self.kinds), cells, self.stride)
            self._drawn = (batch["boxes"], truth)
        return self._drawn[1]

    def predict(self, batch: Batch) -> dict[str, Any]:
        """`found`: boxes of each image, cut to it; `heat`: the largest centre probability at each cell."""
        found: list[Found] = []
        heat: list[Tensor] = []
        for images in torch.split(batch["image"], ROWS):
            maps = mirrored_maps(self._in_windows, images, self.stride, self.mirror_axes)
            rest = {"case": batch["case"][len(found) :]}
            for each in maps:
                all_finite(rest, each)
            found += decode(maps, self.stride, images.shape[2:], self.max_detections, nms_iou=self.nms_iou)
            heat.append(maps.centre.float().sigmoid().amax(1))
        return {"found": found, "heat": torch.cat(heat)}

    def _in_windows(self, images: Tensor) -> Maps:
        return maps_in_windows(self.evaluator, images, self.stride, self.window)

    def prepare_baselines(self, data: DataModule) -> None:
        """The threshold detector that is best by our own score, from validation images and the training boxes
        that are used."""
        train = [data.whole(record) for record in data.labels.used(data.records["train"])]
        boxes, classes = [case["boxes"] for case in train], [case["classes"] for case in train]
        if not sum(map(len, boxes)):
            return
        records = data.records["val"]
        places = np.linspace(0, len(records) - 1, min(len(records), CHOSEN_ON)).round().astype(int)
        some = [data.evaluated(records[place]) for place in places]
        sizes = sizes_of(np.concatenate(boxes), np.concatenate(classes), len(self.kinds))
        chosen = None
        for detector in threshold_detectors([case["image"] for case in some], sizes):
            scores, threshold = self._tried(detector, some)
            if chosen is None or scores > chosen[0]:
                chosen = (scores, detector, threshold)
        assert chosen is not None
        usual = mean_box(boxes, classes)
        self.baselines = {"threshold": chosen[1], "mean_box": usual}
        self.tables["threshold"].threshold = chosen[2]
        self.tables["mean_box"].threshold = self._tried(usual, some)[1]

    def _tried(self, detector: Detector, cases: Sequence[dict[str, np.ndarray]]) -> tuple[float, float]:
        """A detector's monitored score on some cases, and its best score threshold."""
        table = DetectionTable(self.kinds, self.recipe.spatial_dims, self.tables["val"].match_iou)
        for number, case in enumerate(cases):
            shape = np.array(case["image"].shape[1:])
            found = detector(case["image"])
            truth = (case["boxes"], case["classes"])
            table.update(Image(str(number), *found, *truth, shape, found[0], case["boxes"]))
        threshold = table.choose()
        score = float(table.compute()[self.monitor.split("/")[1]])
        return (score if np.isfinite(score) else -1.0), float("inf") if threshold is None else threshold

    def undefined(self, data: DataModule) -> list[str]:
        return missing_classes(data, "boxes", self.kinds, "box", "map50")

    def score(self, stage: str, batch: Batch, prediction: dict[str, Any]) -> None:
        for row, found in enumerate(prediction["found"]):
            ours = (found.boxes, found.scores, found.classes)
            image = image_of(batch, row, self.files_of(stage))
            self.tables[stage].update(image(tuple(v.float().cpu().numpy() for v in ours)))
            if stage == "test":
                picture = batch["image"][row].float().cpu().numpy()
                for name, detector in self.baselines.items():
                    self.tables[name].update(image(detector(picture)))

    def scores(self, stage: str) -> dict[str, float]:
        """The validation's threshold is chosen here and kept in the generator, for the test and after.

        Where no box finds an object it is the one that the generator came with.
        """
        table: DetectionTable = self.tables[stage]
        if stage == "val":
            chosen = table.choose()
            for network in {self.generator, self.evaluator}:
                network.threshold.fill_(self.undecided if chosen is None else chosen)  # type: ignore[operator]
        else:
            table.threshold = self.threshold
            with table.sync_context():
                self.answers = table.images()
        return super().scores(stage)

    @property
    def threshold(self) -> float:
        """The score from which on boxes count."""
        return float(self.evaluator.threshold)  # type: ignore[arg-type]

    def write_test_files(self, directory: Path) -> None:
        write_boxes(directory / "predictions", self.answers, self.kinds, self.threshold)

    def sample_panels(self, batch: Batch, prediction: dict[str, Any]) -> dict[str, np.ndarray]:
        """The first image of a batch that holds an object: its truth, the boxes that count, the centres."""
        counts = [len(boxes) for boxes in batch["boxes"]]
        row = int(np.argmax(np.array(counts) > 0))
        found = prediction["found"][row]
        kept = found.scores >= self.threshold
        ours = tuple(v[kept].float().cpu().numpy() for v in found)
        image, heat = (v[row].float().cpu().numpy() for v in (batch["image"], prediction["heat"]))
        truth = tuple(batch[key][row].float().cpu().numpy() for key in ("boxes", "classes"))
        columns = case_columns(image, heat, self.kinds, truth, ours)
        return {name: picture[None] for name, picture in columns.items()}


def drawn(image: Tensor, centre: Tensor, sides: Tensor) -> Tensor:
    """What the discriminator sees: the image, the centre map, and sides where there are centres [B,C+K+d,*].

    centre 0 to 1 [B,K,*cells], sides in cells [B,d,*cells]; truth and prediction are drawn alike.
    """
    soft = centre.clamp(FAINT, SURE)
    reign = soft.amax(1, keepdim=True) - FAINT
    return torch.cat([image, soft, reign * sides.log1p()], 1)
