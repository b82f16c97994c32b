"""A critic of masked images that tells what it sees at every scale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from src.networks.layers import SLOPE, halving, initialise


class MaskedCritic(nn.Module):
    """[B, masked_channels, *spatial] to what it was shown and each layer's features, coarsest last.

    4x4 convolutions that halve the sides. Xue et al. (SegAN), arXiv 1706.01805, section 2: the pixels
    themselves are the finest scale. No normalisation.
    """

    masked = True
    """It judges images under their masks, one a class."""

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
