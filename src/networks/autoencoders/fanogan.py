"""f-AnoGAN: a generator and its encoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ganatomy.networks.autoencoders.encoder import Encoder
from ganatomy.networks.layers import check_positive
from ganatomy.networks.noise_to_image.dcgan import DcganGenerator


class FAnoGan(nn.Module):
    """Reconstruction of an image by encoder and decoder.

    `decoder` maps [B, latent] to images, `encoder` maps images to [B, latent]; `forward` reconstructs images.
    Schlegl et al., Medical Image Analysis 54 (2019) 30.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the code.
        channels: Channels of the finest level.

    Raises:
        UserError: If `latent` or `channels` is below 1.
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
