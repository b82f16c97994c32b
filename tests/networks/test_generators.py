"""Shapes, gradients, sizes and beginnings of the generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.denoisers import ConvDenoiser, RedCnn
from ganatomy.networks.image_to_image.super_resolution import SrResNet
from ganatomy.networks.image_to_image.unet import UNet

MAKERS: dict[str, Callable[[int], nn.Module]] = {
    "unet": lambda dims: UNet(dims, 2, 2, [4, 8, 8]),
    "unet_plain": lambda dims: UNet(dims, 2, 2, [4, 8], norm=False, residual=True, start="normal"),
    "eight_layers": lambda dims: ConvDenoiser(dims, 2, 2, channels=4),
    "red_cnn": lambda dims: RedCnn(dims, 2, 2, channels=4),
    "sr1": lambda dims: SrResNet(dims, 2, 2, factor=1, channels=4, blocks=2),
    "sr4": lambda dims: SrResNet(dims, 2, 2, factor=4, channels=4, blocks=2),
}


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def image(dims: int, *sides: int) -> Tensor:
    return torch.randn(2, 2, *(sides or (16, 12, 8)[:dims]), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_the_grid_is_kept_and_every_weight_learns(name: str, dims: int) -> None:
    torch.manual_seed(0)
    network = MAKERS[name](dims)
    x = image(dims)
    output = network(x)
    assert output.shape == x.shape
    (output * torch.randn_like(output)).sum().backward()
    for own, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), own


def test_a_unet_takes_any_sides() -> None:
    x = image(2, 13, 22)
    assert UNet(2, 2, 3, [4, 4, 4])(x).shape == (2, 3, 13, 22)


@pytest.mark.parametrize("name", ["unet_plain", "red_cnn", "sr1"])
def test_residual_networks_begin_near_the_identity(name: str) -> None:
    torch.manual_seed(0)
    x = image(2, 32, 32)
    change = MAKERS[name](2)(x) - x
    assert 0 < change.std() < 0.3 * x.std()


def test_super_resolution_begins_near_linear_interpolation() -> None:
    """And looks at one value of each block alone."""
    torch.manual_seed(0)
    network = SrResNet(2, 2, 2, factor=4, channels=8, blocks=2)
    small = image(2, 8, 8)
    blocks = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    linear = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    output = network(blocks)
    assert (output - linear).std() < 0.2 * linear.std()
    changed = blocks.clone()
    changed[:, :, 1::4] += 1
    assert torch.equal(network(changed), output)


def test_sizes_of_the_papers() -> None:
    """Yang et al.: seven layers of 32 filters and one of one. RED-CNN: ten layers of 96 filters, 1.85 M.

    SRResNet: 16 blocks of two 64-channel convolutions; enlarged by convolutions, not by pixel shuffles.
    """
    assert weights(ConvDenoiser(2, 1, 1)) == (9 + 1) * 32 + 6 * (32 * 9 + 1) * 32 + (32 * 9 + 1)
    assert weights(RedCnn(2, 1, 1, 96, 5)) == 26 * 96 + 8 * (96 * 25 + 1) * 96 + (96 * 25 + 1)
    square = (64 * 9 + 1) * 64
    assert weights(SrResNet(2, 1, 1)) == (9 + 1) * 64 + (2 * 16 + 1 + 2) * square + (64 * 9 + 1)


def test_a_conv_before_a_norm_has_no_bias() -> None:
    names = [name for name, _ in UNet(2, 1, 1, [4, 8]).named_parameters()]
    assert "enter.0.bias" not in names and "leave.bias" in names


def test_enlarging_makes_no_checkerboard() -> None:
    """A constant image stays constant, away from the edges, whatever the weights."""
    torch.manual_seed(0)
    for network in (UNet(2, 1, 1, [4, 4], norm=False), SrResNet(2, 1, 1, 4, 4, 1)):
        inner = network(torch.ones(1, 1, 64, 64))[..., 24:40, 24:40]
        # Repeating then convolving a constant is constant; a transposed convolution of odd overlap is not.
        assert inner.std() < 1e-5 * inner.abs().max()


@pytest.mark.parametrize("start, expected", [("normal", 0.02), ("he", (2 / (1.04 * 9 * 64)) ** 0.5)])
def test_initialisation(start: Any, expected: float) -> None:
    torch.manual_seed(0)
    layer = UNet(2, 1, 1, [64, 64], start=start).enter[3]
    assert isinstance(layer, nn.Conv2d)
    assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    "make",
    [
        lambda: UNet(2, 1, 4, residual=True),
        lambda: UNet(2, 1, 1, [8]),
        lambda: ConvDenoiser(2, 1, 3, residual=True),
        lambda: RedCnn(2, 1, 3),
        lambda: SrResNet(2, 1, 3),
        lambda: SrResNet(2, 1, 1, factor=0),
    ],
)
def test_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(UserError):
        make()
