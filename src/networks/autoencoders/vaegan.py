"""VAE/GAN: a decoder that makes images from noise, and an encoder. Larsen et al., arXiv 1512.09300."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ganatomy.networks.autoencoders.encoder import Encoder
from ganatomy.networks.noise_to_image.dcgan import DcganGenerator


class VaeGan(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, *size], with an encoder that trains it.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of noise and code.
        channels: Channels of the finest level.
        refine: Channels of one more layer of the decoder at full size; see `DcganGenerator`.

    Raises:
        UserError: For sides below 8 or impossible numbers of channels.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        latent: int = 64,
        channels: int = 32,
        refine: int = 0,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.decoder = DcganGenerator(spatial_dims, out_channels, size, latent, channels, refine=refine)
        self.encoder = Encoder(spatial_dims, out_channels, size, 2 * latent, channels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the codes of images, each [B, latent]."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return mean, log_variance

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.decoder(z)
        return images
