"""U-Net discriminators: logits for the image and for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.networks.layers import initialise

Judgement = tuple[list[Tensor], list[list[Tensor]]]


class UNetDiscriminator(UNet):
    """Discriminator of [B, image_channels, *spatial]: logits [B, 1] and [B, 1, *spatial], and their features.

    Schönfeld et al., arXiv 2002.12655: the encoder's end gives the image's logit, the decoder's end those of
    the pixels. No normalisation.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        channels: Channels of each level, finest first.
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
        decoded = self.ascend(levels)
        image_logits = self.judge(levels[-1].flatten(2).mean(2))
        return [image_logits, self.leave(decoded[-1])], [levels, decoded[1:]]


class DualDiscriminator(nn.Module):
    """One U-Net discriminator for the image, one for its edges; their logits are scales of one output.

    Huang et al. (DU-GAN), arXiv 2108.10772, section III.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        channels: Channels of each level, finest first.
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
    """Return Sobel kernels [dims, 1, 3, ...]: the derivative along each axis, smoothed along the others.

    A ramp of slope 1 gives 1.
    """
    derivative, smooth = torch.tensor([-0.5, 0.0, 0.5]), torch.tensor([0.25, 0.5, 0.25])
    kernels = []
    for axis in range(dims):
        kernel = torch.ones(())
        for other in range(dims):
            kernel = kernel[..., None] * (derivative if other == axis else smooth)
        kernels.append(kernel)
    return torch.stack(kernels)[:, None]


def gradient_magnitude(x: Tensor, sobel: Tensor) -> Tensor:
    """Return the length of the Sobel gradient [B, C, *spatial], edges repeated; at least 1e-6."""
    dims = x.dim() - 2
    padded = F.pad(x.flatten(0, 1)[:, None], [1, 1] * dims, mode="replicate")
    convolve = F.conv2d if dims == 2 else F.conv3d
    slopes = convolve(padded, sobel.to(x.dtype))
    return (slopes.square().sum(1) + 1e-12).sqrt().reshape(x.shape)
