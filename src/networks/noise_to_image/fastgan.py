"""FastGAN: generator and discriminator. Liu et al., arXiv 2101.04775."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.layers import SLOPE, check_positive, conv, initialise
from ganatomy.networks.noise_to_image.conditional import (
    class_vectors,
    noise_vectors,
    projected,
    with_class_vectors,
)
from ganatomy.networks.noise_to_image.dcgan import cut, widths
from ganatomy.networks.noise_to_image.stylegan2 import flat

REACH = 4
"""Doublings between the coarse map that excites and the fine map that is excited, at most."""


class Excitation(nn.Module):
    """Skip-layer excitation: [B, b, H, W] times a gate in 0 to 1 per channel. Section 3.1, eq. 1.

    The gate is computed from the coarse map [B, a, h, w].
    """

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.look, self.say = nn.Conv2d(a, b, 4, bias=False), nn.Conv2d(b, b, 1, bias=False)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        features = F.leaky_relu(self.look(F.adaptive_avg_pool2d(coarse, 4)), SLOPE)
        return fine * torch.sigmoid(self.say(features))


class Gated(nn.Module):
    """A 3x3 convolution to twice the channels, batch normalisation, and a gated linear unit."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv, self.norm = conv(2, a, 2 * b, bias=False), nn.BatchNorm2d(2 * b)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.norm(self.conv(x)), 1)


class FastGenerator(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, H, W], linear at the end.

    A linear layer to sides of 4 to 7; at each further level the sides are doubled by repetition and one gated
    convolution follows, at every second level two; coarse maps excite fine ones.

    Args:
        spatial_dims: 2.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the noise vector.
        channels: Channels of the finest level.
        classes: Number of image classes in the data.
        embedding: Length of a learned class vector that is appended to the noise; 0: unconditional.

    Raises:
        UserError: For volumes, sides below 8, numbers below 1, or `embedding` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        latent: int = 64,
        channels: int = 32,
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, channels=channels)
        count = flat(spatial_dims, size)
        wide = widths(channels, count + 1)[::-1]
        self.latent, self.size = latent, tuple(size)
        self.classes, self.vectors = classes if embedding else 0, noise_vectors(classes, embedding)
        self.start = [-(-side // 2**count) for side in size]
        self.enter = nn.Linear(latent + embedding, 2 * wide[0] * prod(self.start), bias=False)
        self.norm = nn.BatchNorm2d(2 * wide[0])
        self.levels = nn.ModuleList(
            nn.Sequential(Gated(a, b), *([Gated(b, b)] if number % 2 == 0 else []))
            for number, (a, b) in enumerate(pairwise(wide))
        )
        self.reach = max(1, min(REACH, count - 1))
        self.excite = nn.ModuleList(Excitation(a, b) for a, b in zip(wide, wide[self.reach :], strict=False))
        self.leave = conv(2, wide[-1], out_channels)
        initialise(self)

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        x = self.enter(with_class_vectors(z, self.vectors, *kind)).reshape(z.shape[0], -1, *self.start)
        features = [F.glu(self.norm(x), 1)]
        for number, level in enumerate(self.levels, start=1):
            x = level(F.interpolate(features[-1], scale_factor=2, mode="nearest"))
            if number >= self.reach:
                x = self.excite[number - self.reach](features[number - self.reach], x)
            features.append(x)
        return cut(self.leave(features[-1]), self.size)


class Halving(nn.Module):
    """Mean of two branches that halve the sides: two convolutions, and average pooling with a 1x1 one."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.along = nn.Sequential(
            nn.Conv2d(a, b, 4, 2, 1, bias=False),
            nn.BatchNorm2d(b),
            nn.LeakyReLU(SLOPE),
            conv(2, b, b, bias=False),
            nn.BatchNorm2d(b),
            nn.LeakyReLU(SLOPE),
        )
        self.past = nn.Sequential(
            nn.AvgPool2d(2), conv(2, a, b, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(SLOPE)
        )

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = (self.along(x) + self.past(x)) / 2
        return mean


class FastDiscriminator(nn.Module):
    """Discriminator of images [B, image_channels, H, W], and classes [B]: [features..., logits [B, 1, h, w]].

    Sides are halved down to 8 to 15. Its features of a real image must be enough for two small decoders to
    reconstruct it (`rebuild`, used by the penalty `reconstruction`). Section 3.2.

    Args:
        spatial_dims: 2.
        image_channels: Channels of the images.
        size: Sides of the images in pixels.
        channels: Channels of the finest level.
        classes: Number of image classes in the data.
        projection: Condition on the classes; see `projected`.

    Raises:
        UserError: For volumes, sides below 8, numbers below 1, or `projection` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        channels: int = 32,
        classes: int = 0,
        projection: bool = False,
    ) -> None:
        super().__init__()
        check_positive(channels=channels)
        halvings = max(1, flat(spatial_dims, size) - 1)
        wide = widths(channels, halvings + 1)
        self.enter = conv(2, image_channels, wide[0])
        self.levels = nn.ModuleList(Halving(a, b) for a, b in pairwise(wide))
        self.reach = min(REACH, halvings)
        self.excite = nn.ModuleList(Excitation(a, b) for a, b in zip(wide, wide[self.reach :], strict=False))
        self.judge = nn.Sequential(
            conv(2, wide[-1], wide[-1], 1, bias=False),
            nn.BatchNorm2d(wide[-1]),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(wide[-1], 1, 4),
        )
        self.part, self.whole = (decoder(a, image_channels, halvings - 1) for a in wide[-2:])
        features = wide[-1] * prod(side // 2**halvings for side in size)
        self.classes = classes if projection else 0
        self.vectors = class_vectors(classes, features) if projection else None
        initialise(self)

    def forward(self, x: Tensor, *kind: Tensor) -> list[Tensor]:
        features = [F.leaky_relu(self.enter(x), SLOPE)]
        for number, level in enumerate(self.levels, start=1):
            x = level(features[-1])
            if number >= self.reach:
                x = self.excite[number - self.reach](features[number - self.reach], x)
            features.append(x)
        return projected([*features, self.judge(features[-1])], self.vectors, *kind)

    def rebuild(self, features: Sequence[Tensor], image: Tensor, quarter: int) -> list[tuple[Tensor, Tensor]]:
        """Reconstruct the image from the last features, and one quarter of it from finer ones.

        Args:
            features: Features of `forward`.
            image: The image [B, C, H, W] that they are of.
            quarter: Quarter to reconstruct, 0 to 3; see `quartered`.

        Returns:
            (reconstruction, image at that resolution) of the whole image and of the quarter.
        """
        finer, last = features[-2:]
        whole, part = self.whole(last), self.part(quartered(finer, quarter))
        return [
            (whole, F.adaptive_avg_pool2d(image, whole.shape[2:])),
            (part, F.adaptive_avg_pool2d(quartered(image, quarter), part.shape[2:])),
        ]


def decoder(a: int, image_channels: int, doublings: int) -> nn.Sequential:
    """Return a decoder from a feature map to an image.

    Args:
        a: Channels of the map.
        image_channels: Channels of the image.
        doublings: How often the sides are doubled.
    """
    layers: list[nn.Module] = []
    for _ in range(doublings):
        b = max(8, a // 2)
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), Gated(a, b)]
        a = b
    return nn.Sequential(*layers, conv(2, a, image_channels))


def quartered(x: Tensor, quarter: int) -> Tensor:
    """Return half of each side of [B, C, H, W]: 0 upper left, 1 upper right, 2 lower left, 3 lower right."""
    for axis, far in ((2, quarter // 2), (3, quarter % 2)):
        half = x.shape[axis] // 2
        x = x.narrow(axis, (x.shape[axis] - half) * far, half)
    return x
