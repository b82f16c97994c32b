"""DCGAN: a generator that doubles the sides level by level, and a discriminator that halves them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, Start, check_positive, conv, initialise
from ganatomy.networks.noise_to_image.conditional import (
    class_vectors,
    noise_vectors,
    projected,
    with_class_vectors,
)

WIDEST = 8
"""The coarsest level has at most this many times the channels of the finest."""


def levels(size: Sequence[int]) -> int:
    """Return how often sides can be halved until the shortest is 4 to 7; UserError for sides below 8."""
    if min(size) < 8:
        raise UserError(f"data.size: {'x'.join(map(str, size))} is too small; give sides of 8 or more")
    return (min(size) // 4).bit_length() - 1


def check_refine(refine: int) -> None:
    """Raise UserError for a number of channels that the layer at full size cannot have."""
    if refine < 0:
        raise UserError(f"refine: {refine} must be 0 or more")


def widths(channels: int, count: int) -> list[int]:
    """Return the channels of each level, finest first."""
    return [min(channels * 2**level, WIDEST * channels) for level in range(count)]


class DcganGenerator(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, *size], linear at the end.

    A linear layer to sides of 4 to 7, then transposed 4x4 convolutions with stride 2, batch normalisation
    and ReLU between. Radford et al., arXiv 1511.06434. Every output pixel gets equally many terms of such a
    layer, since 4 is a multiple of 2: no checkerboard is built in (Odena et al., Distill 2016). Sides that
    are not a multiple of a power of two are cropped from slightly larger ones.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the noise vector.
        channels: Channels of the finest level.
        tanh: End in tanh as in the paper, for images in -1 to 1.
        refine: Channels of one more layer at full size before a 3x3 convolution to the image; 0: the last
            transposed convolution gives the image, as in the paper.
        classes: Number of image classes in the data.
        embedding: Length of a learned class vector that is appended to the noise; 0: unconditional.

    Raises:
        UserError: For sides below 8, impossible numbers of channels, or `embedding` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        latent: int = 100,
        channels: int = 64,
        tanh: bool = False,
        refine: int = 0,
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__()
        check_positive(latent=latent)
        check_positive(channels=channels)
        check_refine(refine)
        count = levels(size)
        coarsest_first = widths(channels, count)[::-1]
        self.latent, self.size, self.tanh = latent, tuple(size), tanh
        self.classes, self.vectors = classes if embedding else 0, noise_vectors(classes, embedding)
        self.start = tuple(-(-side // 2**count) for side in size)
        pixels = int(torch.tensor(self.start).prod())
        self.enter = nn.Linear(latent + embedding, coarsest_first[0] * pixels, bias=False)
        wide = [*coarsest_first, *([refine] if refine else [])]
        self.norms = nn.ModuleList(Norm[Norm.BATCH, spatial_dims](width) for width in wide)
        doublings = [doubling(spatial_dims, a, b, bias=False) for a, b in pairwise(wide)]
        leave = (conv if refine else doubling)(spatial_dims, wide[-1], out_channels)
        self.up = nn.ModuleList([*doublings, leave])
        for layer in (self.enter, *self.up):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        terms = 3**spatial_dims if refine else 2**spatial_dims
        for name, weight in leave.named_parameters():
            nn.init.normal_(weight, 0.0, (terms * wide[-1]) ** -0.5 if name == "weight" else 0.0)

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        x: Tensor = self.enter(with_class_vectors(z, self.vectors, *kind))
        x = x.reshape(z.shape[0], -1, *self.start)
        for norm, up in zip(self.norms, self.up, strict=True):
            x = up(torch.relu(norm(x)))
        return cut(torch.tanh(x) if self.tanh else x, self.size)


class DcganDiscriminator(nn.Module):
    """Discriminator of images [B, image_channels, *size], and classes [B]: [features..., logits [B, 1]].

    4x4 convolutions with stride 2, leaky ReLU, and a linear layer. Radford et al., arXiv 1511.06434.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        size: Sides of the images in pixels.
        channels: Channels of the finest level.
        norm: Use batch normalisation, except in the first layer.
        start: Initialisation of the weights; see `initialise`.
        refine: Channels of one more 3x3 layer at full size, which takes in the finest texture; 0: none.
        classes: Number of image classes in the data.
        projection: Condition on the classes; see `projected`.

    Raises:
        UserError: For sides below 8, impossible numbers of channels, or `projection` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        channels: int = 64,
        norm: bool = True,
        start: Start = "normal",
        refine: int = 0,
        classes: int = 0,
        projection: bool = False,
    ) -> None:
        super().__init__()
        check_positive(channels=channels)
        check_refine(refine)
        count = levels(size)
        wide = [refine or image_channels, *widths(channels, count)]
        self.down = nn.ModuleList()
        if refine:
            self.down.append(nn.Sequential(conv(spatial_dims, image_channels, refine), nn.LeakyReLU(SLOPE)))
        for depth, (inside, outside) in enumerate(pairwise(wide)):
            normed = norm and depth > 0
            layer = [Conv[Conv.CONV, spatial_dims](inside, outside, 4, 2, 1, bias=not normed)]
            if normed:
                layer.append(Norm[Norm.BATCH, spatial_dims](outside))
            self.down.append(nn.Sequential(*layer, nn.LeakyReLU(SLOPE)))
        pixels = int(torch.tensor([side // 2**count for side in size]).prod())
        self.judge = nn.Linear(wide[-1] * pixels, 1)
        initialise(self, start)
        self.classes = classes if projection else 0
        self.vectors = class_vectors(classes, self.judge.in_features) if projection else None

    def forward(self, x: Tensor, *kind: Tensor) -> list[Tensor]:
        features = []
        for down in self.down:
            x = down(x)
            features.append(x)
        return projected([*features, self.judge(x.flatten(1))], self.vectors, *kind)


def doubling(dims: int, inside: int, outside: int, bias: bool = True) -> nn.Module:
    """Return a transposed 4x4 convolution that doubles the sides.

    Args:
        dims: 2 or 3.
        inside: Channels of the input.
        outside: Channels of the output.
        bias: Add a bias.
    """
    layer: nn.Module = Conv[Conv.CONVTRANS, dims](inside, outside, 4, 2, 1, bias=bias)
    return layer


def cut(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return the centre crop of [B, C, *spatial] with the sides `size`."""
    for axis, side in enumerate(size, start=2):
        x = x.narrow(axis, (x.shape[axis] - side) // 2, side)
    return x
