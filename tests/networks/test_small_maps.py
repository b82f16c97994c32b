"""Convolutions of maps smaller than their filter, in bfloat16 on a CPU, held against float64."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn

from ganatomy.networks import quick_convolutions, small_maps
from ganatomy.networks.quick_layers import LAYOUTS, with_quick_layers

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAPS = [(1, 1), (1, 4), (2, 2), (3, 3), (1, 1, 1), (2, 2, 2), (3, 3, 3), (2, 5, 6), (4, 4, 4), (6, 6, 3)]
FILTERS = [(3, 1, 1), (3, 1, 2), (4, 1, 1), (4, 1, 2), (5, 2, 1), (5, 2, 2)]
"""Taps, padding and stride."""


def answers(layer: nn.Module, x: Tensor, kind: torch.dtype) -> list[Tensor]:
    """Output and gradients at x, weights and bias; in bfloat16 by autocast."""
    layer, x = copy.deepcopy(layer), x.detach().clone(memory_format=torch.preserve_format)
    if kind == torch.float64:
        layer, x = layer.double(), x.double()
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        y = layer(x)
    outward = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    return [y, *torch.autograd.grad(y, [x, *layer.parameters()], outward.to(y.dtype))]


def drawn(layer: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """Weights and input that bfloat16 holds exactly."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn_like(weight).bfloat16())
    return layer, torch.randn(shape).bfloat16().float()


def check(layer: nn.Module, x: Tensor, kind: torch.dtype = torch.bfloat16, limit: float = 0.02) -> None:
    exact = answers(layer, x, torch.float64)
    ours = answers(with_quick_layers(copy.deepcopy(layer)), x, kind)
    for one, other in zip(ours, exact, strict=True):
        assert one.shape == other.shape
        assert float((one.double() - other).norm().detach()) <= limit * float(other.norm().detach())


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize(("taps", "padding", "stride"), FILTERS)
def test_convolutions(taps: int, padding: int, stride: int, innermost: bool) -> None:
    for sides, (batch, inside, outside) in itertools.product(MAPS, [(1, 16, 1), (2, 32, 16)]):
        if min(sides) + 2 * padding < taps:
            continue
        layer = CONV[len(sides)](inside, outside, taps, stride, padding)
        layer, x = drawn(layer, (batch, inside, *sides))
        if innermost:
            x = x.to(memory_format=LAYOUTS[x.dim()])
        check(layer, x)


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize(("taps", "padding", "stride"), FILTERS)
def test_transposed_convolutions(taps: int, padding: int, stride: int, innermost: bool) -> None:
    for sides, more in itertools.product(MAPS, range(stride)):
        if (min(sides) - 1) * stride - 2 * padding + taps + more < 1:
            continue
        layer = TRANSPOSED[len(sides)](32, 16, taps, stride, padding, more)
        layer, x = drawn(layer, (2, 32, *sides))
        if innermost:
            x = x.to(memory_format=LAYOUTS[x.dim()])
        check(layer, x)


@pytest.mark.parametrize("sides", [(3, 3, 3), (3, 6, 5), (4, 4, 4)])
def test_many_weights_for_few_places(sides: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A discriminator's last layers, whose weights' gradient is computed apart."""
    monkeypatch.setattr(quick_convolutions, "with_border", None)
    for stride in (1, 2):
        check(*drawn(nn.Conv3d(32, 40, 4, stride, 1), (2, 32, *sides)))


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize(
    ("layer", "thin"),
    [(nn.Conv3d(1, 1, 3, 1, 1), 1), (nn.Conv3d(4, 4, 3, 1, 1), 2), (nn.Conv3d(2, 20, 4, 2, 1), 2)],
)
def test_thin_volumes(layer: nn.Module, thin: int, innermost: bool) -> None:
    """Few channels, which large maps have computed in other ways."""
    for sides in ((thin, 96, 96), (96, thin, 96), (96, 96, thin)):
        layer, x = drawn(layer, (2, layer.in_channels, *sides))
        check(layer, x.to(memory_format=LAYOUTS[5]) if innermost else x, limit=0.03)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(16, 8, 3, padding="same"),
        nn.Conv3d(16, 8, (2, 4, 3), padding="same"),
        nn.Conv3d(16, 8, 3, padding=2, dilation=2),
        nn.Conv3d(16, 16, 3, padding=1, groups=4, bias=False),
        nn.Conv3d(16, 8, (1, 3, 3), padding=(0, 1, 1)),
        nn.ConvTranspose3d(16, 8, 3, padding=2, dilation=2),
        nn.ConvTranspose3d(16, 16, 3, padding=1, groups=4, bias=False),
    ],
)
def test_borders_groups_and_dilation(layer: nn.Module) -> None:
    for side in (2, 3):
        check(*drawn(layer, (2, 16, side, side, side)))


def test_large_filters_in_float32() -> None:
    for side, stride in itertools.product((3, 4, 5, 7), (1, 2)):
        layer, x = drawn(nn.Conv3d(16, 4, 7, stride, 3), (2, 16, side, side, side))
        check(layer, x, torch.float32, 1e-5)


def test_torch_s_own_where_torch_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large maps, small filters in float32, no border: to the bit what they were."""
    monkeypatch.setattr(quick_convolutions, "with_border", None)
    monkeypatch.setattr(small_maps, "_cut", None)
    for layer, sides, kind in (
        (nn.Conv3d(16, 4, 3, 1, 1), (3, 4, 9), torch.bfloat16),
        (nn.Conv3d(16, 4, 3, 1, 1), (2, 2, 2), torch.float32),
        (nn.Conv3d(16, 4, 3, 1, 0), (3, 3, 3), torch.bfloat16),
        (nn.ConvTranspose3d(16, 4, 3, 2, 1, 1), (5, 5, 5), torch.bfloat16),
        (nn.ConvTranspose3d(16, 4, 3, 1, 1), (2, 2, 2), torch.float32),
    ):
        layer, x = drawn(layer, (2, 16, *sides))
        ours = answers(with_quick_layers(copy.deepcopy(layer)), x, kind)
        for one, other in zip(ours, answers(layer, x, kind), strict=True):
            assert torch.equal(one, other)


def test_a_map_smaller_than_nothing_is_refused_as_torch_does() -> None:
    layer = with_quick_layers(nn.Conv3d(1, 1, 7, padding=1))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        layer(torch.zeros(1, 1, 3, 3, 3))


def test_a_transposed_convolution_takes_its_output_size() -> None:
    layer = with_quick_layers(nn.ConvTranspose2d(1, 1, 3, 2, 1))
    assert layer(torch.zeros(1, 1, 3, 3), output_size=[6, 5]).shape == (1, 1, 6, 5)
