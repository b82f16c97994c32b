"""What a loss is computed from: logits, truth, and the voxels that count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import batch_mean
from ganatomy.tasks.shared.volumes import likeliest


@dataclass(frozen=True)
class Maps:
    """Logits of a network beside the truth.

    Attributes:
        raw: Logits [B, K, *spatial] of any floating type.
        truth: Classes one-hot, or regions multi-hot, float [B, K, *spatial].
        valid: [B, 1, *spatial], True for voxels that count; None where all do.
        class_weights: [K], with mean 1; None for equal weights.
        sigmoid: True for regions that may overlap; False for classes, of which a voxel has one.
    """

    raw: Tensor
    truth: Tensor
    valid: Tensor | None = None
    class_weights: Tensor | None = None
    sigmoid: bool = False

    @cached_property
    def logits(self) -> Tensor:
        """Return the logits in float32: sums over an image need more digits than half precision has."""
        return self.raw.float()

    @cached_property
    def probabilities(self) -> Tensor:
        """Return the probabilities [B, K, *spatial], float32."""
        return self.logits.sigmoid() if self.sigmoid else self.logits.softmax(1)

    @cached_property
    def label(self) -> Tensor:
        """Return the class of each voxel, [B, *spatial], of exclusive classes."""
        return likeliest(self.truth).squeeze(1).long()

    @property
    def counted(self) -> Tensor | None:
        """Return `valid` as numbers, 1 or 0; None where all voxels count."""
        return None if self.valid is None else self.valid.float()

    def masked(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Return the maps with 0 at voxels that do not count."""
        counted = self.counted
        return maps if counted is None else tuple(each * counted for each in maps)

    def filled(self, probabilities: Tensor) -> Tensor:
        """Return the probabilities with the truth, which has no gradient, at voxels that do not count."""
        return probabilities if self.valid is None else torch.where(self.valid, probabilities, self.truth)

    def foreground(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Return maps [B, K, *spatial] without the channel of the background, which regions do not have."""
        return maps if self.sigmoid else tuple(each[:, 1:] for each in maps)

    def mean_of_classes(self, each: Tensor, background: bool = True) -> Tensor:
        """Return the mean of values [B, K] over batch and classes, by the class weights; 0-dim.

        Args:
            each: One value for each image and class.
            background: False leaves out the first of exclusive classes.
        """
        if self.class_weights is None:
            return each.mean() if background else self.foreground(each)[0].mean()
        weights = self.class_weights.to(each)[None].expand_as(each)
        each, weights = (each, weights) if background else self.foreground(each, weights)
        return (each * weights).mean() / weights.mean().clamp_min(torch.finfo(weights.dtype).tiny)


def mean_of_voxels(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean of the values by their weights over the batch of all processes; 0-dim.

    N processes agree with one: each returns its own part, so that their parts add up to the mean.

    Args:
        values: Loss of each voxel, of any shape.
        weights: Of the same shape, >= 0; None for equal weights. Values of weight 0 take no gradient.
    """
    if weights is None:
        return values.mean()
    kept = torch.where(weights > 0, values * weights, torch.zeros_like(values))
    total = batch_mean(weights)
    return kept.mean() / total.clamp_min(torch.finfo(weights.dtype).tiny)
