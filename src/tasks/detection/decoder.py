"""From images to boxes with the settings of a task: mirror images, decoding, fusion, refinement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.detection import DetectionTable
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.detection.centernet_decoding import Found, decode
from ganatomy.tasks.detection.fusion import fused
from ganatomy.tasks.detection.refining import STRENGTHS, edge_shifts, moved_by, refined
from ganatomy.tasks.detection.views import (
    SoftMaps,
    SoftViews,
    mean_maps,
    mirrored_maps,
    mirrored_views,
    softened,
    zoomed,
)


@dataclass(frozen=True)
class Decoder:
    """How boxes follow from images.

    Attributes:
        stride: Voxels per cell of the maps.
        max_detections: Most boxes per image.
        nms_iou: IoU above which two boxes of a class are one object: the one with the lower score is
            dropped, or, between views that are fused, both are averaged.
        vote: Average the box of each peak with those of the cells around it.
        fusion: "maps" averages the maps over mirror images, "wbf" decodes each and fuses the boxes.
        zooms: Sizes, beside 1, at which each image is seen too; boxes of all sizes are fused.

    Raises:
        UserError: For a number out of range.
    """

    stride: int
    max_detections: int = 100
    nms_iou: float = 0.5
    vote: bool = False
    fusion: Literal["maps", "wbf"] = "maps"
    zooms: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_iou("nms_iou", self.nms_iou)
        if self.max_detections < 1:
            raise UserError(f"task.max_detections: {self.max_detections}; must be at least 1")
        for zoom in self.zooms:
            if isinstance(zoom, bool) or not 0.25 <= zoom <= 4 or zoom == 1:
                raise UserError(
                    f"task.zooms: {zoom}; give sizes from 0.25 to 4 beside 1, such as [0.85,1.15]"
                )

    def shared(self, mirror_axes: Sequence[int]) -> str:
        """Return in words what the views of a soft prediction are, which an ensemble's members share."""
        mirrors = f"wbf over {mirror_axes}" if self.fusion == "wbf" and mirror_axes else "maps"
        return f"{mirrors}, zooms {list(self.zooms)}" if self.zooms else mirrors

    def soft(
        self, answer: Callable[[Tensor], Maps], images: Tensor, mirror_axes: Sequence[int]
    ) -> SoftMaps | SoftViews:
        """Return the maps of images: means over mirror images, also each view if views are fused.

        Args:
            answer: The network: images to maps.
            images: [B, C, *spatial].
            mirror_axes: Axes along every subset of which images are mirrored, counted from 0.
        """
        first, *others = (
            self._views(answer, each, mirror_axes)
            for each in (images, *(zoomed(images, self.stride, zoom) for zoom in self.zooms))
        )
        if len(first) == 1 and not others:
            return first[0]
        return SoftViews.of(mean_maps(first), [view for views in (first, *others) for view in views])

    def _views(
        self, answer: Callable[[Tensor], Maps], images: Tensor, mirror_axes: Sequence[int]
    ) -> list[SoftMaps]:
        if self.fusion == "wbf" and mirror_axes:
            return mirrored_views(answer, images, self.stride, mirror_axes)
        return [softened(mirrored_maps(answer, images, self.stride, mirror_axes))]

    def __call__(self, soft: SoftMaps | SoftViews, shape: Sequence[int]) -> list[Found]:
        """Return the boxes of each image.

        Args:
            soft: What `soft` returned, or a mean of several.
            shape: Spatial size of the images.
        """
        cells = soft.presence.shape[2:]
        if not isinstance(soft, SoftViews):
            return self._decoded(soft, cells, shape)
        views = [self._decoded(view, cells, shape) for view in soft.views]
        return [fused(found, self.nms_iou, self.max_detections) for found in zip(*views, strict=True)]

    def _decoded(self, soft: SoftMaps, cells: Sequence[int], shape: Sequence[int]) -> list[Found]:
        """Decode maps of so many cells, or of a zoomed image, whose cells are smaller or larger."""
        own = soft.presence.shape[2:]
        strides = [self.stride * full / count for full, count in zip(cells, own, strict=True)]
        return decode(soft, strides, shape, self.max_detections, nms_iou=self.nms_iou, vote=self.vote)


def check_iou(key: str, value: float) -> None:
    """Raise UserError unless a setting of the task is an IoU between 0 and 1."""
    if not 0 < value < 1:
        raise UserError(f"task.{key}: {value}; must be an IoU between 0 and 1")


class RefinedBoxes(AdversarialTask):
    """Part of a task of boxes that moves their sides, as far as each validation finds best.

    The share of the way is the one with the highest mAP75 on the validation images; of equal ones the
    smallest, which is none. It is kept with the weights. Tables of all shares are filled in a validation, and
    that of the chosen one has the scores.
    """

    def begin_refinement(self, refine: str | None, make_table: Callable[[], DetectionTable]) -> None:
        """Make the tables of the shares, if boxes are refined; once, in `__init__`.

        Args:
            refine: "edges", or None.
            make_table: Returns an empty score table.
        """
        self.refine, self.trials = refine, nn.ModuleList()
        if refine:
            self.register_buffer("refinement", torch.tensor(STRENGTHS[0]))
            self.trials.extend(make_table() for _ in STRENGTHS)

    @property
    def strength(self) -> float:
        """Return the share of the way to the edges that sides are moved."""
        return float(self.refinement) if self.refine else 0.0  # type: ignore[arg-type]

    def with_refined(self, batch: Batch, prediction: dict[str, Any]) -> dict[str, Any]:
        """Return the prediction with its boxes refined, and as they were: `found`, `unrefined`."""
        if not self.refine:
            return prediction
        found = prediction["found"]
        refined_ones = [
            refined(image, each, self.strength) for image, each in zip(batch["image"], found, strict=True)
        ]
        return {**prediction, "found": refined_ones, "unrefined": found}

    def tried(
        self, stage: str, batch: Batch, prediction: dict[str, Any]
    ) -> list[tuple[DetectionTable, Sequence[Found]]]:
        """Return the tables that a batch is added to, with the boxes of each image for each.

        Args:
            stage: "val", "test", or another table.
            batch: Evaluation batch.
            prediction: What `with_refined` returned.
        """
        if stage != "val" or not self.refine:
            return [(self.tables[stage], prediction["found"])]
        if "unrefined" not in prediction:  # of a `decide` of somebody's own, which does not refine
            return [(table, prediction["found"]) for table in self.trials]  # type: ignore[misc]
        pairs = list(zip(batch["image"], prediction["unrefined"], strict=True))
        shifts = [edge_shifts(image.float(), found.boxes) for image, found in pairs]
        tried = [
            [
                moved_by(strength * shift, found, image.shape[1:]) if strength else found
                for shift, (image, found) in zip(shifts, pairs, strict=True)
            ]
            for strength in STRENGTHS
        ]
        return list(zip(self.trials, tried, strict=True))  # type: ignore[arg-type]

    def choose_refinement(self) -> None:
        """Choose the share of the way; the table with its boxes is that of the validation."""
        best, highest = 0, -1.0
        for number, table in enumerate(self.trials):
            score = float(table.compute()["map75"])  # type: ignore[operator]
            if score > highest:
                best, highest = number, score
        for number, table in enumerate(self.trials):
            if number != best:
                table.reset()  # type: ignore[operator]
        if self.refine:
            self.refinement.fill_(STRENGTHS[best])  # type: ignore[operator]
            self.tables["val"] = self.trials[best]

    def join_refinement(self, others: Sequence[RefinedBoxes]) -> None:
        """Take over the mean share of this task and others, to answer for all of them."""
        if self.refine:
            mean = sum(task.strength for task in (self, *others)) / (1 + len(others))
            self.refinement.fill_(mean)  # type: ignore[operator]
