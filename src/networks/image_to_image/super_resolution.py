"""Super-resolution network that works on the small image and enlarges at the end."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, check_positive, conv, initialise, shrink

SMOOTH = {2: "bilinear", 3: "trilinear"}


class SrResNet(nn.Module):
    """Network from an image of coarse pixels, blocks of `factor`, to one of fine pixels on the same grid.

    It takes one value of each block, passes `blocks` residual blocks on that small image, enlarges it by
    repeating and convolving, and adds the linearly interpolated small image. Factor 1 is a residual denoiser.
    Ledig et al. (SRGAN), arXiv 1609.04802, figure 4; without batch normalisation, as in ESRGAN
    (arXiv 1809.00219).

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output; must be equal.
        factor: Side of a block; the sides of the image must be multiples of it.
        channels: Channels of the features.
        blocks: Number of residual blocks.

    Raises:
        UserError: If input and output differ in channels, or `factor` or `blocks` is below 1.
        ValueError: In `forward`, if a side is not a multiple of `factor`.
    """

    residual = True

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        factor: int = 4,
        channels: int = 64,
        blocks: int = 16,
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise UserError(
                f"{out_channels} channels out cannot be added to {in_channels} in, as this network does; "
                "try model=pix2pix"
            )
        check_positive(factor=factor, blocks=blocks)
        self.factor, self.mode = factor, SMOOTH[spatial_dims]
        self.steps = _steps(factor)
        self.enter = conv(spatial_dims, in_channels, channels)
        self.blocks = nn.Sequential(*(_Block(spatial_dims, channels) for _ in range(blocks)))
        self.after = conv(spatial_dims, channels, channels)
        self.enlarge = nn.ModuleList(conv(spatial_dims, channels, channels) for _ in self.steps)
        self.leave = conv(spatial_dims, channels, out_channels)
        self.act = nn.LeakyReLU(SLOPE)
        initialise(self)
        for layer in (*(block.second for block in self.blocks), self.leave):
            assert isinstance(layer, nn.Module)
            shrink(layer)

    def forward(self, x: Tensor) -> Tensor:
        if any(side % self.factor for side in x.shape[2:]):
            raise ValueError(f"sides {tuple(x.shape[2:])} are not multiples of the factor {self.factor}")
        every = [slice(None, None, self.factor)] * (x.dim() - 2)
        small = x[(slice(None), slice(None), *every)]
        features = self.act(self.enter(small))
        features = features + self.after(self.blocks(features))
        for step, layer in zip(self.steps, self.enlarge, strict=True):
            larger = F.interpolate(features, scale_factor=float(step), mode="nearest")
            features = self.act(layer(larger))
        output: Tensor = self.leave(features)
        if self.factor > 1:
            small = F.interpolate(small, scale_factor=float(self.factor), mode=self.mode, align_corners=False)
        return small + output


class _Block(nn.Module):
    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(dims, channels, channels), conv(dims, channels, channels)
        self.act = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.second(self.act(self.first(x)))
        return changed


def _steps(factor: int) -> list[int]:
    """Return the prime factors, smallest first: 4 is enlarged as 2 and 2."""
    for prime in range(2, factor + 1):
        if factor % prime == 0:
            return [prime, *_steps(factor // prime)]
    return []
