"""Denoisers at full resolution: plain stacks of convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from ganatomy.errors import UserError
from ganatomy.networks.layers import conv, initialise, shrink


class ConvDenoiser(nn.Module):
    """Denoiser of 3x3 convolutions with ReLU between; [B, C, *spatial] in and out.

    Yang et al. 2018, arXiv 1708.00961, section II.C: eight layers of 32 filters. Linear at the end, since
    normalised intensities have both signs.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        layers: Number of convolutions.
        channels: Filters of each.
        residual: Predict the difference to the input (not in the paper).

    Raises:
        UserError: For fewer than two layers, or `residual` with unequal channels.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        layers: int = 8,
        channels: int = 32,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if layers < 2:
            raise UserError(f"layers: {layers} must be 2 or more")
        if residual and in_channels != out_channels:
            raise UserError(
                f"residual: {out_channels} channels out cannot be added to {in_channels} in; set it to false"
            )
        widths = [in_channels, *[channels] * (layers - 1), out_channels]
        self.convs = nn.ModuleList(
            conv(spatial_dims, inside, outside) for inside, outside in pairwise(widths)
        )
        self.residual = residual
        initialise(self, slope=0)
        if residual:
            shrink(self.convs[-1])

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for layer in self.convs[:-1]:
            features = relu(layer(features))
        output: Tensor = self.convs[-1](features)
        return x + output if self.residual else output


class RedCnn(nn.Module):
    """Residual encoder-decoder; [B, C, *spatial] in and out.

    Chen et al. 2017, arXiv 1702.00288: five convolutions in the encoder, five in the decoder, with skip
    connections from the input and from every second encoder layer. Here with padding, and linear at the end.
    3x3 and 32 filters are those of DU-GAN (Huang et al., arXiv 2108.10772), 5x5 and 96 those of the paper.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output; must be equal.
        channels: Filters of each convolution.
        size: Side of the filters.

    Raises:
        UserError: If input and output differ in channels.
    """

    residual = True

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, channels: int = 32, size: int = 3
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise UserError(
                f"{out_channels} channels out cannot be added to {in_channels} in, as this network does; "
                "try model=pix2pix"
            )
        inner = [conv(spatial_dims, channels, channels, size) for _ in range(8)]
        self.encoder = nn.ModuleList([conv(spatial_dims, in_channels, channels, size), *inner[:4]])
        self.decoder = nn.ModuleList([*inner[4:], conv(spatial_dims, channels, out_channels, size)])
        initialise(self, slope=0)
        shrink(self.decoder[-1])

    def forward(self, x: Tensor) -> Tensor:
        features, kept = x, [x]
        for depth, layer in enumerate(self.encoder):
            features = relu(layer(features))
            if depth in (1, 3):
                kept.append(features)
        for depth, layer in enumerate(self.decoder):
            features = layer(features)
            if depth in (0, 2, 4):
                features = features + kept.pop()
            if depth < 4:
                features = relu(features)
        return features
