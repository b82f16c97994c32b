"""SPADE: a generator conditioned on label maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.blocks.spade_norm import SPADE
from monai.networks.nets.spade_network import SPADENetResBlock
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, check_positive, conv
from ganatomy.networks.noise_to_image.dcgan import cut, levels, widths


class SpadeGenerator(nn.Module):
    """Generator from noise [B, latent] and one-hot label maps [B, label_channels, *size] to images.

    Park et al., arXiv 1903.07291, section 3 and appendix A: noise gives a map of sides 4 to 7, MONAI's
    residual blocks double it, and in each the normalised features are scaled and shifted, pixel by pixel, by
    two convolutions of the label map. Linear at the end, [B, out_channels, *size]. Instance normalisation: an
    image does not depend on the others of its batch. Sides that are not a multiple of a power of two are
    cropped from slightly larger ones.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        label_channels: Classes of the label maps, background included.
        latent: Length of the noise vector.
        channels: Channels of the finest level; up to eight times as many at coarser ones.
        hidden: Channels between label map and scale.

    Raises:
        UserError: For data without label maps, sides below 8 or numbers below 1.
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
                "data.label: there are no label maps to generate from; set data.label and "
                "data.classes, or choose another model"
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
                # MONAI 1.6 applies instance normalisation to scale and shift, unlike the paper: their means
                # would be lost, and a map of one class would have no effect.
                del module.mlp_gamma.adn, module.mlp_beta.adn

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        first, *finer = self.blocks
        label = self._widened(label.to(z.dtype))
        x: Tensor = first(self.enter(z).reshape(z.shape[0], -1, *self.start), label)
        for block in finer:
            x = block(F.interpolate(x, scale_factor=2.0), label)
        return cut(self.leave(F.leaky_relu(x, SLOPE)), self.size)

    def _widened(self, label: Tensor) -> Tensor:
        """Pad the map by replication to the size that the image is cropped from."""
        room: list[int] = []
        for side, start in zip(self.size[::-1], self.start[::-1], strict=True):
            more = start * 2 ** (len(self.blocks) - 1) - side
            room += [more // 2, more - more // 2]
        return F.pad(label, room, mode="replicate") if any(room) else label
