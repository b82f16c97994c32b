"""Differentiable augmentation of D's inputs, real and fake alike; G is trained through it.

For images and volumes of any float range: shifts of intensity are in standard deviations of the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganatomy.adversarial.distributed.random import uniform
from ganatomy.errors import UserError


class Augment(nn.Module):
    """Base class: changes all of D's arguments of the first one's spatial shape together, as one image.

    Args:
        policy: Names of the changes to make.
        known: Names that the class knows.
        image_channels: Number of leading channels that are intensities, None for all; the rest (masks, heat
            maps) only take part in geometric changes.

    Raises:
        UserError: An unknown change, or `image_channels` below 1.

    Example:
        >>> class Negative(Augment):
        ...     def change(self, x):
        ...         return -x
        >>> Negative(policy=["negative"], known=["negative"], image_channels=None)([torch.ones(1, 1, 2)])
        (tensor([[[-1., -1.]]]),)
    """

    def __init__(self, policy: Sequence[str], known: Sequence[str], image_channels: int | None) -> None:
        super().__init__()
        for name in policy:
            if name not in known:
                raise UserError(f"augment.policy: {name} is none of {', '.join(known)}")
        if image_channels is not None and image_channels < 1:
            raise UserError(f"augment.image_channels: {image_channels}; give at least 1, or null for all")
        self.policy = tuple(policy)
        self.image_channels = image_channels

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        first = inputs[0]
        images = [i for i, x in enumerate(inputs) if x.is_floating_point() and x.shape[2:] == first.shape[2:]]
        joined = torch.cat([inputs[i] for i in images], 1) if len(images) > 1 else first
        parts = torch.split(self.change(joined), [inputs[i].shape[1] for i in images], 1)
        changed = dict(zip(images, parts, strict=True))
        return tuple(changed.get(i, x) for i, x in enumerate(inputs))

    def change(self, x: Tensor) -> Tensor:
        """Return the augmented x [B, C, *spatial]."""
        raise NotImplementedError

    def recolour(self, x: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
        """Change the contrast and brightness of the image channels.

        Args:
            x: [B, C, *spatial].
            factor: [B], multiplies the distance to the sample's mean.
            shift: [B], added, in standard deviations of the sample.
        """
        images = x[:, : self.image_channels]
        mean = images.flatten(1).mean(1)
        shape = (-1, *[1] * (x.dim() - 1))
        offset = (mean * (1 - factor) + shift * deviation(images)).reshape(shape)
        images = images * factor.reshape(shape) + offset
        return torch.cat([images, x[:, images.shape[1] :]], 1)


def deviation(images: Tensor) -> Tensor:
    """Return [B]: every sample's standard deviation, with a finite gradient where it is zero."""
    variance = images.flatten(1).var(1, correction=0)
    return (variance + torch.finfo(images.dtype).tiny).sqrt()


def shifted(x: Tensor, offsets: Tensor, fill: float) -> Tensor:
    """Shift by whole voxels.

    Args:
        x: [B, C, *spatial].
        offsets: [B, dims], voxels.
        fill: Value of the voxels that come in at the border.
    """
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, size in enumerate(x.shape[2:]):
        source = torch.arange(size, device=x.device) - offsets[:, axis, None]
        inside = inside & along((source >= 0) & (source < size), axis, x.dim())
        index = along(source.clamp(0, size - 1), axis, x.dim())
        x = x.gather(axis + 2, index.expand(*x.shape))
    return torch.where(inside, x, fill)


def hole(x: Tensor, part: float) -> Tensor:
    """Draw [B, 1, *spatial]: True inside a box of `part` of every side, its centre anywhere in the image."""
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, size in enumerate(x.shape[2:]):
        length = max(1, round(part * size))
        start = (uniform(x) * (size + 1 - length % 2)).long() - length // 2
        place = torch.arange(size, device=x.device) - start[:, None]
        inside = inside & along((place >= 0) & (place < length), axis, x.dim())
    return inside


def along(rows: Tensor, axis: int, dims: int) -> Tensor:
    """Reshape [B, size] to broadcast along a spatial axis.

    Args:
        rows: [B, size].
        axis: Spatial axis, from 0 on.
        dims: Dimensions of [B, C, *spatial].
    """
    shape = [len(rows), *[1] * (dims - 1)]
    shape[axis + 2] = rows.shape[1]
    return rows.reshape(shape)


class DiffAugment(Augment):
    """Random translation, cutout, brightness, contrast, flip of every sample. Zhao et al., arXiv 2006.10738.

    Args:
        policy: Names of the changes to make.
        image_channels: Number of leading channels that are intensities, None for all.
        translation: Largest shift as a fraction of a side.
        cutout: Sides of the box as a fraction of the image's.
        brightness: Largest shift in standard deviations of the sample; 1.0 is the paper's 0.5 of images in
            -1 to 1, whose deviation is about 0.5.
        contrast: Factors lie within 1 ± this.
        fill: Value in boxes and behind shifted borders.

    Raises:
        UserError: A value is out of its range.
    """

    known = ("translation", "cutout", "brightness", "contrast", "flip")

    def __init__(
        self,
        policy: Sequence[str] = ("translation", "cutout"),
        image_channels: int | None = None,
        translation: float = 0.125,
        cutout: float = 0.5,
        brightness: float = 0.5,
        contrast: float = 0.5,
        fill: float = 0.0,
    ) -> None:
        super().__init__(policy, self.known, image_channels)
        for name, value in (("translation", translation), ("cutout", cutout), ("contrast", contrast)):
            if not 0 <= value <= 1:
                raise UserError(f"augment.{name}: {value} is outside [0, 1]")
        self.translation, self.cutout = translation, cutout
        self.brightness, self.contrast = brightness, contrast
        self.fill = fill

    def change(self, x: Tensor) -> Tensor:
        if "flip" in self.policy:
            x = torch.where(along(uniform(x, (1,)) < 0.5, 0, x.dim()), x.flip(-1), x)
        if "brightness" in self.policy or "contrast" in self.policy:
            factor = 1 + self._spread("contrast", x, self.contrast)
            x = self.recolour(x, factor, self._spread("brightness", x, self.brightness))
        if "translation" in self.policy:
            reach = [math.floor(self.translation * size + 0.5) for size in x.shape[2:]]
            steps = uniform(x, (len(reach),)).unbind(1)
            offsets = [(u * (2 * r + 1)).long() - r for u, r in zip(steps, reach, strict=True)]
            x = shifted(x, torch.stack(offsets, 1), self.fill)
        if "cutout" in self.policy:
            x = torch.where(hole(x, self.cutout), self.fill, x)
        return x

    def _spread(self, name: str, x: Tensor, reach: float) -> Tensor:
        """Draw [B] uniformly from ± reach; zero if the policy lacks the change."""
        return (2 * uniform(x) - 1) * (reach if name in self.policy else 0.0)
