"""Discriminator with one logit per image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ganatomy.networks.layers import SLOPE, conv, initialise


class Critic(nn.Module):
    """Discriminator of [B, image_channels, *spatial] with one logit per image; any sides.

    Returns [features of each convolution..., logits [B, 1]]. 3x3 convolutions, every second of which halves
    the sides, then two linear layers; no normalisation. As in SRGAN (arXiv 1609.04802) and in Yang et al.
    (arXiv 1708.00961), except that features are averaged over the image; there they are flattened, which
    would fix the image's size.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        channels: Channels of each convolution.
        hidden: Width of the first linear layer.
    """

    alone = True
    """The discriminator takes the output only, not the input that it was made from."""

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        channels: Sequence[int] = (64, 64, 128, 128, 256, 256),
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        widths = [image_channels, *channels]
        self.convs = nn.ModuleList(
            conv(spatial_dims, inside, outside, stride=1 + depth % 2)
            for depth, (inside, outside) in enumerate(pairwise(widths))
        )
        self.hidden, self.judge = nn.Linear(widths[-1], hidden), nn.Linear(hidden, 1)
        self.act = nn.LeakyReLU(SLOPE)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for layer in self.convs:
            x = self.act(layer(x))
            features.append(x)
        logits = self.judge(self.act(self.hidden(x.flatten(2).mean(2))))
        return [*features, logits]
