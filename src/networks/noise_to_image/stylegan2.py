"""StyleGAN2: generator and discriminator. Karras et al., arXiv 1912.04958 and 2006.06676."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import Halve, check_positive
from ganatomy.networks.noise_to_image.conditional import at_least_two, class_vectors, projected
from ganatomy.networks.noise_to_image.dcgan import cut, levels, widths
from ganatomy.networks.noise_to_image.modulated import (
    GAIN,
    Double,
    EqualConv,
    EqualLinear,
    Mapping,
    ModulatedConv,
    activated,
    rectified,
)


class Paint(nn.Module):
    """Synthesis layer: a modulated convolution, noise, bias, leaky ReLU.

    Args:
        inside: Channels of the input.
        outside: Channels of the output.
        width: Length of the style.
        up: Double the sides first.
        strided: See `StyleGenerator`.
    """

    def __init__(self, inside: int, outside: int, width: int, up: bool, strided: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inside, outside, 3, width, doubled=up and strided, gain=GAIN)
        self.up = up and not strided
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        x = interpolated(x) if self.up else x
        shift = self.strength * GAIN * noise + self.bias[:, None, None] * GAIN
        return rectified(self.conv(x, style) + shift)


class StyleGenerator(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, H, W], linear at the end.

    A learned map of sides 4 to 7, two modulated convolutions at each further level, and at every level a
    convolution to an image, which is added to the doubled one of the level below.

    All randomness of an image comes from its row of noise: the first `style` numbers go through the mapping,
    the others are the noise maps of the layers.

    Args:
        spatial_dims: 2.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        style: Length of the style.
        channels: Channels of the finest level.
        layers: Layers of the mapping.
        rate: Factor on the mapping's learning rate.
        classes: Number of image classes in the data.
        class_conditional: Condition on the class: the mapping also takes a learned class vector.
        strided: Double by transposed convolutions and the paper's filter, 0 beyond the border. False: linear
            interpolation, then a convolution at full size; another border, and slower.

    Raises:
        UserError: For volumes, sides below 8, numbers below 1, or
            `class_conditional` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        style: int = 64,
        channels: int = 32,
        layers: int = 4,
        rate: float = 0.01,
        classes: int = 0,
        class_conditional: bool = False,
        strided: bool = False,
    ) -> None:
        super().__init__()
        check_positive(style=style, channels=channels, layers=layers)
        count = flat(spatial_dims, size)
        wide = widths(channels, count + 1)[::-1]
        start = [-(-side // 2**count) for side in size]
        self.size, self.classes = tuple(size), at_least_two(classes) if class_conditional else 0
        self.map = Mapping(style, style, layers, rate, self.classes)
        self.basis = nn.Parameter(torch.randn(wide[0], *start))
        sides = [(wide[0], wide[0], 0)]
        for level, (a, b) in enumerate(pairwise(wide), start=1):
            sides += [(a, b, level), (b, b, level)]
        self.paints = nn.ModuleList(
            Paint(a, b, style, index % 2 == 1, strided) for index, (a, b, _) in enumerate(sides)
        )
        self.shows = nn.ModuleList(
            ModulatedConv(channel, out_channels, 1, style, demodulate=False) for channel in wide
        )
        self.offset = nn.Parameter(torch.zeros(out_channels, 1, 1))
        self.doubled = Double() if strided else interpolated
        self.maps = [[side * 2**level for side in start] for _, _, level in sides]
        self.style_count = len(sides) + 1  # one a convolution, and one for the last image
        self.latent = style + sum(prod(sides) for sides in self.maps)

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        return self.paint(self.styles(z, *kind), z)

    def styles(self, z: Tensor, *kind: Tensor) -> Tensor:
        """Return the styles [B, style] of noise [B, latent], and of classes [B] if there are any."""
        styles: Tensor = self.map(z, *kind)
        return styles

    def paint(self, style: Tensor, z: Tensor) -> Tensor:
        """Return the images of styles, with the noise maps of `z` [B, latent].

        Args:
            style: [B, style], or [B, style_count, style]: one a convolution. The convolution to an image
                shares that of the convolution after it, as in the authors' code.
            z: Noise.
        """
        styles = (style if style.dim() == 3 else style[:, None].expand(-1, self.style_count, -1)).unbind(1)
        _, *noise = torch.split(z, [self.map.latent, *(prod(sides) for sides in self.maps)], 1)
        maps = [part.reshape(-1, 1, *sides) for part, sides in zip(noise, self.maps, strict=True)]
        x = self.paints[0](self.basis.expand(z.shape[0], *self.basis.shape), styles[0], maps[0])
        image = self.shows[0](x, styles[1])
        for level, show in enumerate(list(self.shows)[1:]):
            for index in (2 * level + 1, 2 * level + 2):
                x = self.paints[index](x, styles[index], maps[index])
            image = self.doubled(image) + show(x, styles[index + 1])
        return cut(image + self.offset, self.size)


class StyleDiscriminator(nn.Module):
    """Discriminator of images [B, image_channels, H, W], and classes [B].

    Returns [features of each level..., features [B, C], logits [B, 1]]. At each level two 3x3 convolutions,
    the second at half the sides, and in parallel a 1x1 convolution of the halved input; their sum is divided
    by √2. A convolution and two dense layers follow.

    Args:
        spatial_dims: 2.
        image_channels: Channels of the images.
        size: Sides of the images in pixels.
        channels: Channels of the finest level.
        classes: Number of image classes in the data.
        projection: Condition on the classes; see `projected`.
        strided: Filter before the second convolution, which halves the sides. False: filter and halve after
            it; another border, and slower.

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
        strided: bool = False,
    ) -> None:
        super().__init__()
        check_positive(channels=channels)
        count = flat(spatial_dims, size)
        wide = widths(channels, count + 1)
        self.enter = EqualConv(image_channels, wide[0], 1, gain=GAIN)
        self.first = nn.ModuleList(EqualConv(a, a, 3, gain=GAIN) for a in wide[:-1])
        # The sum's 1 / √2 is taken in both convolutions before it: of the second's own √2 nothing is left.
        self.second = nn.ModuleList(EqualConv(a, b, 3, halve=strided) for a, b in pairwise(wide))
        self.past = nn.ModuleList(EqualConv(a, b, 1, bias=False, gain=1 / GAIN) for a, b in pairwise(wide))
        self.halve, self.strided = Halve(2), strided
        self.last = EqualConv(wide[-1], wide[-1], 3, gain=GAIN)
        self.hidden = EqualLinear(wide[-1] * prod(side // 2**count for side in size), wide[-1])
        self.judge = EqualLinear(wide[-1], 1)
        self.classes = classes if projection else 0
        self.vectors = class_vectors(classes, wide[-1]) if projection else None

    def forward(self, x: Tensor, *kind: Tensor) -> list[Tensor]:
        features = [self._entered(x)]
        for first, second, past in zip(self.first, self.second, self.past, strict=True):
            x = features[-1]
            along = rectified(first(x))
            along = second(self.halve.blur(along)) if self.strided else self.halve(second(along))
            features.append(rectified(along) + past(self.halve(x)))
        vector = activated(self.hidden(rectified(self.last(features[-1])).flatten(1)))
        return projected([*features, vector, self.judge(vector)], self.vectors, *kind)

    def _entered(self, x: Tensor) -> Tensor:
        """Return the features at full size; channels are innermost in memory if those of the weights are."""
        if self.first[0].weight.is_contiguous():  # type: ignore[operator]
            return rectified(self.enter(x))
        weight, bias = self.enter.scaled()
        return rectified(F.linear(x.movedim(1, -1), weight[..., 0, 0], bias)).movedim(-1, 1)


def interpolated(x: Tensor) -> Tensor:
    """Double the sides by linear interpolation."""
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def flat(spatial_dims: int, size: Sequence[int]) -> int:
    """Return how often the sides are doubled, see `levels`; raise UserError for volumes."""
    if spatial_dims != 2:
        raise UserError(
            "data.spatial_dims: this network is for 2D images; for volumes choose model=r3gan or dcgan"
        )
    return levels(size)
