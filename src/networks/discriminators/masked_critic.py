"""Multi-scale critic of masked images (SegAN)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.layers import SLOPE, halving, initialise


class MaskedCritic(nn.Module):
    """Critic of [B, masked_channels, *spatial]: [input, features of each layer...], coarsest last.

    4x4 convolutions that halve the sides. Xue et al. (SegAN), arXiv 1706.01805, section 2: the pixels
    themselves are the finest scale. No normalisation.

    Args:
        spatial_dims: 2 or 3.
        masked_channels: Channels of the masked images.
        channels: Channels of each convolution.
    """

    masked = True
    """The critic takes images multiplied by the masks of the classes."""

    def __init__(
        self, spatial_dims: int, masked_channels: int, channels: Sequence[int] = (64, 128, 256, 512)
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            halving(spatial_dims, a, b) for a, b in pairwise([masked_channels, *channels])
        )
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        scales = [x]
        for conv in self.convs:
            scales.append(F.leaky_relu(conv(scales[-1]), SLOPE))
        return scales
