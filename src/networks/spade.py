"""A generator that draws an image over a label map."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.blocks.spade_norm import SPADE
from monai.networks.nets.spade_network import SPADENetResBlock
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.networks.dcgan import cut, levels, widths
from src.networks.layers import SLOPE, check_positive, conv


class SpadeGenerator(nn.Module):
    """Noise [B, latent] and one-hot label maps [B, label_channels, *size] to images [B, out_channels, *size].

    Park et al., arXiv 1903.07291, section 3 and appendix A: noise begins sides of 4 to 7, residual blocks
    (MONAI's) double them, and in each the normalised features are scaled and shifted, pixel by pixel, by what
    two convolutions see in the label map. Linear at the end. Instance normalisation: an image does not depend
    on the others of its batch. Sides that are no multiple of a power of two are cut out of slightly larger
    ones.

    channels: of the finest level, up to eight times as many at coarser ones. hidden: channels between label
    map and scale. UserError for data without label maps.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        label_channels: int,
        latent: int = 256,
        channels: int = 64,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        if label_channels < 2:
            raise UserError(
                "label_channels: these data have no label maps to draw over; name them (data.label, "
                "data.classes), or choose another model"
            )
        check_positive(latent=latent, channels=channels, hidden=hidden)
        count = levels(size)
        coarsest_first = widths(channels, count + 1)[::-1]
        self.latent, self.size, self.label_channels = latent, tuple(size), label_channels
        self.start = tuple(-(-side // 2**count) for side in size)
        self.enter = nn.Linear(latent, coarsest_first[0] * int(torch.tensor(self.start).prod()))
        self.blocks = nn.ModuleList(
            SPADENetResBlock(spatial_dims, inside, outside, label_channels, hidden)
            for inside, outside in pairwise([coarsest_first[0], *coarsest_first])
        )
        self.leave = conv(spatial_dims, channels, out_channels)
        for module in self.modules():
            if isinstance(module, SPADE):
                # MONAI 1.6 normalises scale and shift by the instance, which the paper does not: the mean of
                # each would be lost, and a map of one class would say nothing.
                del module.mlp_gamma.adn, module.mlp_beta.adn

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        first, *finer = self.blocks
        label = self._widened(label.to(z.dtype))
        x: Tensor = first(self.enter(z).reshape(len(z), -1, *self.start), label)
        for block in finer:
            x = block(F.interpolate(x, scale_factor=2.0), label)
        return cut(self.leave(F.leaky_relu(x, SLOPE)), self.size)

    def _widened(self, label: Tensor) -> Tensor:
        """The map as large as what the image is cut out of, its border repeated."""
        room: list[int] = []
        for side, start in zip(self.size[::-1], self.start[::-1], strict=True):
            more = start * 2 ** (len(self.blocks) - 1) - side
            room += [more // 2, more - more // 2]
        return F.pad(label, room, mode="replicate") if any(room) else label
