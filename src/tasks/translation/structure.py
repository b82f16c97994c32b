"""Structure consistency: losses of a translation that moves, drops or invents anatomy, without pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.losses import DiceCELoss
from monai.networks.utils import one_hot
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.translation.base import Method
from ganatomy.text.values import as_typed

FLAT = 1e-6
"""Variance of gradients, in squared units of the network, below which an image counts as flat."""
TINY = 1e-8
"""Added to squared gradients, so that the root has a slope everywhere."""
KEYS = ("gradient", "segmentation", "run", "source_run", "hash", "source_hash")


@dataclass
class Structure:
    """Losses between images and their translations, for every method.

    - gradient: 1 - the correlation of the magnitudes of both images' gradients, in every direction that the
      method translates. After Hiasa et al., arXiv 1803.06629, who correlate signed gradients; magnitudes let
      contrast be inverted from tissue to tissue, as between T1 and T2.
    - segmentation: Dice and cross entropy of what a frozen segmentation run sees in the translation, against
      the image's own labels or what a second run, on images of the source, sees in the image. After Zhang et
      al. (shape consistency), arXiv 1802.09655.

    Attributes:
        gradient: Weight of the first.
        segmentation: Weight of the second.
        network: Segments images of the target side; set before the first step where it is needed.
        source_network: Segments images of the source side; None where the batch has labels.
        shapes: Loss of (logits, probabilities) of the classes.
    """

    gradient: float = 0.0
    segmentation: float = 0.0
    network: nn.Module | None = None
    source_network: nn.Module | None = None
    shapes: nn.Module = field(default_factory=lambda: DiceCELoss(softmax=True, squared_pred=True))

    def __call__(self, method: Method, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Return the weighted losses by name; empty where all weights are 0.

        Args:
            method: Says which images are translations of which.
            batch: Batch with the images, their `label` where compared with, perhaps a `mask` of the source.
            output: The method's output.
        """
        losses = {}
        if self.gradient > 0:
            values = [
                1 - gradient_correlation(image, made, batch.get("mask") if number == 0 else None).mean()
                for number, (image, made) in enumerate(method.counterparts(batch, output))
            ]
            losses["structure_gradient"] = self.gradient * torch.stack(values).mean()
        if self.segmentation > 0 and self.network is not None:
            shapes = self._shapes(batch, method.translated(output))
            losses["structure_segmentation"] = self.segmentation * shapes
        return losses

    def attach(self, network: nn.Module, source_network: nn.Module | None) -> None:
        """Take frozen networks that segment images of the target and of the source.

        They are no modules of the task: they are in no checkpoint and in no optimiser.
        """
        self.network = network.eval().requires_grad_(False)
        self.source_network = source_network and source_network.eval().requires_grad_(False)

    def _shapes(self, batch: Batch, translation: Tensor) -> Tensor:
        assert self.network is not None
        seen = _on(self.network, translation)(translation).float()
        with torch.no_grad():
            if self.source_network is not None:
                image = batch["image"]
                truth = _on(self.source_network, image)(image).float().softmax(1)
            else:
                truth = one_hot(batch["label"], seen.shape[1])
        with full_precision():
            loss: Tensor = self.shapes(seen, truth)
        return loss


def structure_of(given: Mapping[str, Any] | None) -> Structure:
    """Return the losses of a section `task.structure`, without networks yet.

    Raises:
        UserError: A key is unknown, a weight is negative, or weight and run do not go together.
    """
    given = given or {}
    if unknown := sorted(set(given) - set(KEYS)):
        raise UserError(
            f"task.structure.{unknown[0]}: no such key; choose gradient, segmentation, run, source_run"
        )
    weights = {key: given.get(key, 0.0) for key in ("gradient", "segmentation")}
    for key, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise UserError(f"task.structure.{key}: {as_typed(weight)}; give a weight of 0 or more")
    runs = [key for key in ("run", "source_run") if given.get(key) is not None]
    if weights["segmentation"] > 0 and "run" not in runs:
        raise UserError(
            "task.structure.run: null, but task.structure.segmentation needs a finished run of "
            "task=segmentation on images like the target; name it, or set the weight to 0"
        )
    if runs and weights["segmentation"] == 0:
        raise UserError(
            f"task.structure.{runs[0]}: is not used; give task.structure.segmentation a weight, e.g. 1.0"
        )
    return Structure(**weights)


def gradient_correlation(one: Tensor, other: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the correlation of the magnitudes of two images' gradients, [B]; 0 where one is flat.

    r = sum (a - mean a)(b - mean b) / sqrt(sum (a - mean a)² sum (b - mean b)²), a and b the magnitudes.

    Args:
        one: [B, C, *spatial].
        other: [B, K, *spatial], of the same sides.
        mask: [B, 1, *spatial], bool: where magnitudes count; None for everywhere.
    """
    with full_precision():
        counted = torch.ones_like(one[:, :1]) if mask is None else mask.to(one.dtype)
        weights = F.pad(counted, [-1] * (2 * one.dim() - 4)).flatten(1)  # without the border
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        a, b = (_centred(gradient_magnitude(x).flatten(1), weights) for x in (one, other))
        squares = [(weights * x * x).sum(1) + FLAT for x in (a, b)]
        return (weights * a * b).sum(1) / (squares[0] * squares[1]).sqrt()


def gradient_magnitude(x: Tensor) -> Tensor:
    """Return the magnitude of the gradient over all channels, [B, *spatial] with sides smaller by 2.

    Central differences along one axis, smoothed by [1, 2, 1] / 4 along the others (Sobel), without a border.

    Args:
        x: [B, C, *spatial].
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    axes = range(2, x.dim())
    squares = [_sobel(x, axis, axes).square() for axis in axes]
    return (torch.stack(squares).sum(0).sum(1) + TINY).sqrt()


def _sobel(x: Tensor, along: int, axes: Sequence[int]) -> Tensor:
    for axis in axes:
        side = x.shape[axis] - 2
        before, middle, after = (x.narrow(axis, start, side) for start in range(3))
        x = (after - before) / 2 if axis == along else (before + 2 * middle + after) / 4
    return x


def _centred(values: Tensor, weights: Tensor) -> Tensor:
    return values - (weights * values).sum(1, keepdim=True)


def _on(network: nn.Module, image: Tensor) -> nn.Module:
    """Return the network on the device of the image."""
    if next(network.parameters()).device != image.device:
        network.to(image.device)
    return network
