"""From images to boxes with the settings of a task: mirror images, decoding, fusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.centernet_decoding import Found, decode
from ganatomy.tasks.detection.fusion import fused
from ganatomy.tasks.detection.views import (
    SoftMaps,
    SoftViews,
    each_view,
    mirrored_maps,
    mirrored_views,
    side_by_side,
    softened,
)


@dataclass(frozen=True)
class Decoder:
    """How boxes follow from images.

    Attributes:
        stride: Voxels per cell of the maps.
        max_detections: Most boxes per image.
        nms_iou: IoU above which two boxes of a class are one object: the one with the lower score is
            dropped, or, between mirror images under `wbf`, both are averaged.
        vote: Average the box of each peak with those of the cells around it.
        fusion: "maps" averages the maps over mirror images, "wbf" decodes each and fuses the boxes.

    Raises:
        UserError: For a number out of range.
    """

    stride: int
    max_detections: int = 100
    nms_iou: float = 0.5
    vote: bool = False
    fusion: Literal["maps", "wbf"] = "maps"

    def __post_init__(self) -> None:
        check_iou("nms_iou", self.nms_iou)
        if self.max_detections < 1:
            raise UserError(f"task.max_detections: {self.max_detections}; must be at least 1")

    def soft(
        self, answer: Callable[[Tensor], Maps], images: Tensor, mirror_axes: Sequence[int]
    ) -> SoftMaps | SoftViews:
        """Return the maps of images, over mirror images: their means, for `wbf` also each view.

        Args:
            answer: The network: images to maps.
            images: [B, C, *spatial].
            mirror_axes: Axes along every subset of which images are mirrored, counted from 0.
        """
        if self.fusion == "maps" or not mirror_axes:
            return softened(mirrored_maps(answer, images, self.stride, mirror_axes))
        return side_by_side(mirrored_views(answer, images, self.stride, mirror_axes))

    def __call__(self, soft: SoftMaps | SoftViews, shape: Sequence[int]) -> list[Found]:
        """Return the boxes of each image.

        Args:
            soft: What `soft` returned, or a mean of several.
            shape: Spatial size of the images.
        """
        if isinstance(soft, SoftMaps):
            return self._decoded(soft, shape)
        views = [self._decoded(view, shape) for view in each_view(soft)]
        return [fused(found, self.nms_iou, self.max_detections) for found in zip(*views, strict=True)]

    def _decoded(self, soft: SoftMaps, shape: Sequence[int]) -> list[Found]:
        return decode(soft, self.stride, shape, self.max_detections, nms_iou=self.nms_iou, vote=self.vote)


def check_iou(key: str, value: float) -> None:
    """Raise UserError unless a setting of the task is an IoU between 0 and 1."""
    if not 0 < value < 1:
        raise UserError(f"task.{key}: {value}; must be an IoU between 0 and 1")
