"""From noise to an image by doubling its sides, and back to one number by halving them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn

from src.errors import UserError
from src.networks.conditional import beside, class_vectors, noise_vectors, projected
from src.networks.layers import SLOPE, Start, check_positive, conv, initialise

WIDEST = 8
"""The coarsest level has at most so many times the channels of the finest."""


def levels(size: Sequence[int]) -> int:
    """How often sides can be halved until the shortest is 4 to 7; UserError for sides below 8."""
    if min(size) < 8:
        raise UserError(f"size: images of {'x'.join(map(str, size))} are too small; give sides of 8 or more")
    return (min(size) // 4).bit_length() - 1


def check_refine(refine: int) -> None:
    """Raise UserError for a number of channels that the layer at full size cannot have."""
    if refine < 0:
        raise UserError(f"refine: {refine} must be 0 or more")


def widths(channels: int, count: int) -> list[int]:
    """Channels of each level, finest first."""
    return [min(channels * 2**level, WIDEST * channels) for level in range(count)]


class DcganGenerator(nn.Module):
    """Noise [B, latent] to images [B, out_channels, *size], linear at the end.

    A linear layer to sides of 4 to 7, then transposed convolutions of 4 with stride 2, batch normalisation
    and ReLU between. Radford et al., arXiv 1511.06434. Every output pixel gets equally many terms of such a
    layer, since 4 is a multiple of 2: no checkerboard is built in (Odena et al., Distill 2016). Sides that
    are no multiple of a power of two are cut out of slightly larger ones.

    tanh: the paper's end, for images in -1 to 1. refine: channels of one more layer at full size before a 3x3
    convolution to the image, where the paper's last transposed convolution draws it. embedding: length of a
    learned vector of the image's class, [B], beside the noise; 0: not told the classes.
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
        x: Tensor = self.enter(beside(z, self.vectors, *kind))
        x = x.reshape(len(z), -1, *self.start)
        for norm, up in zip(self.norms, self.up, strict=True):
            x = up(torch.relu(norm(x)))
        return cut(torch.tanh(x) if self.tanh else x, self.size)


class DcganDiscriminator(nn.Module):
    """Images [B, image_channels, *size], and classes [B], to [features of each layer..., logits [B, 1]].

    Convolutions of 4 with stride 2, leaky ReLU, and a linear layer. Radford et al., arXiv 1511.06434.
    norm: batch normalisation, save in the first layer. start: see `initialise`. refine: channels of one more
    layer, 3x3 at full size, before the first that halves: it sees the grain. projection: it is told the
    classes; see `projected`.
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
        seen = []
        for down in self.down:
            x = down(x)
            seen.append(x)
        return projected([*seen, self.judge(x.flatten(1))], self.vectors, *kind)


def doubling(dims: int, inside: int, outside: int, bias: bool = True) -> nn.Module:
    """A transposed convolution of 4 that doubles the sides."""
    made: nn.Module = Conv[Conv.CONVTRANS, dims](inside, outside, 4, 2, 1, bias=bias)
    return made


def cut(x: Tensor, size: Sequence[int]) -> Tensor:
    """The middle of [B, C, *spatial], of the sides `size`."""
    for axis, side in enumerate(size, start=2):
        x = x.narrow(axis, (x.shape[axis] - side) // 2, side)
    return x
