"""A generator from noise, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from src.networks.dcgan import DcganGenerator
from src.networks.encoder import Encoder
from src.networks.layers import check_positive


class FAnoGan(nn.Module):
    """`decoder`: [B, latent] to images; `encoder`: images to [B, latent]; forward: an image to its like.

    Schlegl et al., Medical Image Analysis 54 (2019) 30.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, size: Sequence[int], latent: int = 64, channels: int = 32
    ) -> None:
        super().__init__()
        check_positive(latent=latent, channels=channels)
        self.latent = latent
        self.decoder = DcganGenerator(spatial_dims, in_channels, size, latent, channels)
        self.encoder = Encoder(spatial_dims, in_channels, size, latent, channels)

    def forward(self, x: Tensor) -> Tensor:
        images: Tensor = self.decoder(self.encoder(x))
        return images
