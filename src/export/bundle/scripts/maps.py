"""Inference of boxes as in the run's own test: in windows, and averaged over mirror images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.views import maps_in_windows, mirrored_maps


class BoxMaps(Inferer):
    """Return CenterNet's maps of prepared images as channels of one tensor, see `answers.Boxes`.

    Args:
        classes: Number of classes.
        stride: Voxels per cell of the maps.
        window: Sides of the sliding window; None for whole images.
        mirror_axes: Axes along which images are mirrored, and the maps averaged.
    """

    def __init__(
        self,
        classes: int,
        stride: int,
        window: Sequence[int] | None = None,
        mirror_axes: Sequence[int] = (),
    ) -> None:
        Inferer.__init__(self)
        self.classes, self.stride = classes, stride
        self.window, self.mirror_axes = window, tuple(mirror_axes)

    @torch.no_grad()
    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return logits of the classes, sides and offsets [B, K + 2 * dims, *cells]."""
        dims = inputs.dim() - 2

        def maps(images: Tensor) -> Maps:
            return Maps(*torch.split(network(images), [self.classes, dims, dims], 1))

        def whole(images: Tensor) -> Maps:
            return maps_in_windows(maps, images, self.stride, self.window)

        return torch.cat(mirrored_maps(whole, inputs, self.stride, self.mirror_axes), 1)
