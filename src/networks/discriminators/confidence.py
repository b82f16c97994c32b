"""Fully convolutional discriminator: one logit per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.layers import SLOPE, halving, initialise


class ConfidenceMap(nn.Module):
    """Discriminator of [B, image_channels, *spatial]: [features of each layer..., logits [B, 1, *spatial]].

    4x4 convolutions that halve the sides; the last gives logits, which are interpolated to the sides of the
    input. Hung et al., arXiv 1802.07934, section 4.1. No normalisation.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the input.
        channels: Channels of each convolution.
    """

    alone = True
    """The discriminator takes the mask only, not the image that it belongs to."""

    def __init__(
        self, spatial_dims: int, image_channels: int, channels: Sequence[int] = (64, 128, 256, 512)
    ) -> None:
        super().__init__()
        self.mode = {2: "bilinear", 3: "trilinear"}[spatial_dims]
        self.convs = nn.ModuleList(
            halving(spatial_dims, a, b) for a, b in pairwise([image_channels, *channels])
        )
        self.judge = halving(spatial_dims, channels[-1], 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        scales = [x]
        for conv in self.convs:
            scales.append(F.leaky_relu(conv(scales[-1]), SLOPE))
        coarse = self.judge(scales[-1])
        return [*scales[1:], F.interpolate(coarse, size=x.shape[2:], mode=self.mode, align_corners=False)]
