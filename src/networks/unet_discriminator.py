"""Discriminators that judge the image as a whole and every pixel of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.networks.layers import initialise
from src.networks.unet import UNet

Judgement = tuple[list[Tensor], list[list[Tensor]]]


class UNetDiscriminator(UNet):
    """[B, image_channels, *spatial] to logits [B, 1] and [B, 1, *spatial], with the features before each.

    Schönfeld et al., arXiv 2002.12655: the encoder's end judges the image, the decoder's end its pixels. No
    normalisation.
    """

    alone = True

    def __init__(
        self, spatial_dims: int, image_channels: int, channels: Sequence[int] = (32, 64, 128, 256)
    ) -> None:
        super().__init__(spatial_dims, image_channels, 1, channels, norm=False)
        self.judge = nn.Linear(channels[-1], 1)
        initialise(self)

    def forward(self, x: Tensor) -> Judgement:  # type: ignore[override]
        levels = self.descend(x)
        risen = self.ascend(levels)
        whole = self.judge(levels[-1].flatten(2).mean(2))
        return [whole, self.leave(risen[-1])], [levels, risen[1:]]


class DualDiscriminator(nn.Module):
    """One U-Net discriminator for the image, one for its edges; their logits are scales of one verdict.

    Huang et al. (DU-GAN), arXiv 2108.10772, section III.
    """

    alone = True

    def __init__(
        self, spatial_dims: int, image_channels: int, channels: Sequence[int] = (32, 64, 128, 256)
    ) -> None:
        super().__init__()
        self.image = UNetDiscriminator(spatial_dims, image_channels, channels)
        self.edges = UNetDiscriminator(spatial_dims, image_channels, channels)
        self.register_buffer("sobel", sobel_kernels(spatial_dims))

    def forward(self, x: Tensor) -> Judgement:
        assert isinstance(self.sobel, Tensor)
        logits, features = self.image(x)
        edge_logits, edge_features = self.edges(gradient_magnitude(x, self.sobel))
        return [*logits, *edge_logits], [*features, *edge_features]


def sobel_kernels(dims: int) -> Tensor:
    """[dims, 1, 3, ...]: the derivative along each axis, smoothed along the others; 1 on a unit ramp."""
    derivative, smooth = torch.tensor([-0.5, 0.0, 0.5]), torch.tensor([0.25, 0.5, 0.25])
    kernels = []
    for axis in range(dims):
        kernel = torch.ones(())
        for other in range(dims):
            kernel = kernel[..., None] * (derivative if other == axis else smooth)
        kernels.append(kernel)
    return torch.stack(kernels)[:, None]


def gradient_magnitude(x: Tensor, sobel: Tensor) -> Tensor:
    """[B, C, *spatial]: the length of the Sobel gradient, edges repeated; its square is at least 1e-12."""
    dims = x.dim() - 2
    padded = F.pad(x.flatten(0, 1)[:, None], [1, 1] * dims, mode="replicate")
    convolve = F.conv2d if dims == 2 else F.conv3d
    slopes = convolve(padded, sobel.to(x.dtype))
    return (slopes.square().sum(1) + 1e-12).sqrt().reshape(x.shape)
