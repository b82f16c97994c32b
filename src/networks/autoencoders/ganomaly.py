"""GANomaly: encoder, decoder, second encoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ganatomy.networks.autoencoders.encoder import Encoder
from ganatomy.networks.layers import check_positive
from ganatomy.networks.noise_to_image.dcgan import DcganGenerator


class Ganomaly(nn.Module):
    """Network from [B, in_channels, *size] to (reconstruction, code [B, latent], code of the reconstruction).

    Akcay et al., arXiv 1805.06725, figure 2: the second encoder has the first one's form, not its weights.

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
        self, spatial_dims: int, in_channels: int, size: Sequence[int], latent: int = 100, channels: int = 32
    ) -> None:
        super().__init__()
        check_positive(latent=latent, channels=channels)
        self.latent = latent
        self.encoder = Encoder(spatial_dims, in_channels, size, latent, channels)
        self.decoder = DcganGenerator(spatial_dims, in_channels, size, latent, channels)
        self.again = Encoder(spatial_dims, in_channels, size, latent, channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = self.encoder(x)
        image = self.decoder(z)
        return image, z, self.again(image)
