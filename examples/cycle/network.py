"""CycleGAN's generator (arXiv 1703.10593, section 7.2): down twice, residual blocks, up twice."""

from __future__ import annotations

from torch import Tensor, nn


def _layer(inside: int, outside: int, side: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inside, outside, side, stride, side // 2, padding_mode="reflect")
    return [convolution, nn.InstanceNorm2d(outside), nn.ReLU()]


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [*_layer(channels, channels, 3), *_layer(channels, channels, 3)[:-1]]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResNetGenerator(nn.Module):
    """[B, in_channels, H, W] to [B, out_channels, H, W], sides divisible by 4; linear at the end."""

    def __init__(self, in_channels: int, out_channels: int, channels: int = 64, blocks: int = 9) -> None:
        super().__init__()
        c = channels
        down = [*_layer(in_channels, c, 7), *_layer(c, 2 * c, 3, 2), *_layer(2 * c, 4 * c, 3, 2)]
        up: list[nn.Module] = []
        for wide in (4 * c, 2 * c):
            up += [nn.Upsample(scale_factor=2), *_layer(wide, wide // 2, 3)]
        last = nn.Conv2d(c, out_channels, 7, padding=3, padding_mode="reflect")
        self.layers = nn.Sequential(*down, *(Residual(4 * c) for _ in range(blocks)), *up, last)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
