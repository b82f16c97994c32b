"""StyleGAN2's players against the published order of filters and convolutions, written out with zeros."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu

from ganatomy.networks.noise_to_image.modulated import Double, EqualConv, EqualLinear, ModulatedConv
from ganatomy.networks.noise_to_image.stylegan2 import StyleDiscriminator, StyleGenerator

TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""Filter of arXiv 1912.04958 along one axis; its sum is 1."""


def along(x: Tensor, axis: int, up: int, pad: tuple[int, int], down: int) -> Tensor:
    """Insert up - 1 zeros after each number, pad with zeros, filter with gain `up`, keep every down-th."""
    x = x.movedim(axis, -1)
    spread = torch.zeros(*x.shape, up, dtype=x.dtype)
    spread[..., 0] = x
    row = torch.cat(
        [x.new_zeros(*x.shape[:-1], pad[0]), spread.flatten(-2), x.new_zeros(*x.shape[:-1], pad[1])], -1
    )
    length = row.shape[-1] - 3
    out = sum(up * tap * row[..., shift : shift + length] for shift, tap in enumerate(TAPS))
    assert isinstance(out, Tensor)
    return out[..., ::down].movedim(-1, axis)


def filtered(x: Tensor, up: int = 1, pad: tuple[int, int] = (0, 0), down: int = 1) -> Tensor:
    return along(along(x, 2, up, pad, down), 3, up, pad, down)


def act(x: Tensor) -> Tensor:
    return 2**0.5 * leaky_relu(x, 0.2)


def plain(layer: EqualConv, x: Tensor, stride: int = 1) -> Tensor:
    """A convolution with weights over the root of their number of inputs."""
    side = layer.weight.shape[-1]
    weight = layer.weight * layer.weight[0].numel() ** -0.5
    return conv2d(x, weight, layer.bias, stride, 0 if stride == 2 else side // 2)


def dense(layer: EqualLinear, x: Tensor) -> Tensor:
    return x @ layer.weight.T * layer.weight.shape[1] ** -0.5 + layer.bias


def modulated(layer: ModulatedConv, x: Tensor, style: Tensor, up: bool) -> Tensor:
    """Double by the filter, one pixel beyond the border too, then convolve with each sample's own weights."""
    x = filtered(x, 2, (3, 2)) if up else x
    rows = []
    for row, scale in zip(x, dense(layer.style, style), strict=True):
        weight = layer.weight * layer.weight[0].numel() ** -0.5 * scale[:, None, None]
        if layer.demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        rows.append(conv2d(row[None], weight, padding=0 if up else weight.shape[-1] // 2))
    return torch.cat(rows)


def published_logits(d: StyleDiscriminator, x: Tensor) -> Tensor:
    """Filter, then halve by the second convolution; beside it filter and halve, then convolve."""
    x = act(plain(d.enter, x))
    for first, second, past in zip(d.first, d.second, d.past, strict=True):
        long = act(plain(second, filtered(act(plain(first, x)), pad=(2, 2)), stride=2))
        x = (long + plain(past, filtered(x, pad=(1, 1), down=2))) / 2**0.5
    return dense(d.judge, act(dense(d.hidden, act(plain(d.last, x)).flatten(1))))


def published_images(g: StyleGenerator, z: Tensor) -> Tensor:
    style, x, image, start = g.styles(z), g.basis.expand(len(z), *g.basis.shape), None, g.map.latent
    for index, (paint, sides) in enumerate(zip(g.paints, g.maps, strict=True)):
        noise = z[:, start : start + sides[0] * sides[1]].reshape(-1, 1, *sides)
        start += sides[0] * sides[1]
        x = modulated(paint.conv, x, style, up=index % 2 == 1)
        x = act(x + paint.strength * noise + paint.bias[:, None, None])
        if index % 2 == 0:
            shown = modulated(g.shows[index // 2], x, style, up=False)
            image = shown if image is None else filtered(image, 2, (2, 1)) + shown
    assert image is not None
    return image + g.offset


@pytest.mark.parametrize("size", [(16, 16), (32, 24)], ids=str)
def test_both_players_equal_the_published_order_border_included(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    g = StyleGenerator(2, 2, size, style=6, channels=2, layers=2, strided=True).double()
    d = StyleDiscriminator(2, 2, size, channels=2, strided=True).double()
    with torch.no_grad():
        for parameter in [*g.parameters(), *d.parameters()]:
            parameter.add_(0.1 * torch.randn_like(parameter))
    z = torch.randn(3, g.latent, dtype=torch.float64)
    images = g(z)
    torch.testing.assert_close(images, published_images(g, z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(d(images)[-1], published_logits(d, images), rtol=1e-10, atol=1e-10)


def test_doubling_is_linear_interpolation_inside_and_fades_at_the_border() -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    out = Double().double()(x)
    torch.testing.assert_close(out, filtered(x, 2, (2, 1)), rtol=1e-12, atol=1e-12)
    interpolated = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(out[..., 1:-1, 1:-1], interpolated[..., 1:-1, 1:-1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(out[..., 0, 1:-1], 0.75 * interpolated[..., 0, 1:-1], rtol=1e-6, atol=1e-6)


def test_weights_mean_the_same_in_both_orders_away_from_the_border() -> None:
    """So a run of the other order is a start for this one."""
    torch.manual_seed(0)
    old, new = (ModulatedConv(3, 4, 3, 5, doubled=doubled).double() for doubled in (False, True))
    new.load_state_dict(old.state_dict())
    x, style = torch.randn(2, 3, 8, 9, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    before = old(torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), style)
    after = new(x, style)
    torch.testing.assert_close(after[..., 2:-2, 2:-2], before[..., 2:-2, 2:-2], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(after[..., 0, :], before[..., 0, :], atol=0.01)
