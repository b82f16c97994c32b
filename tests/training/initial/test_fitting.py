"""What one network takes from another: names, shapes, and the scale of converted input channels."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from ganatomy.training.initial.fitting import (
    Fit,
    convert,
    fit,
    image_channels,
    joined_channels,
    load,
)


def conv(inside: int, outside: int, dims: int = 2, bias: bool = True) -> nn.Module:
    return {2: nn.Conv2d, 3: nn.Conv3d}[dims](inside, outside, 3, padding=1, bias=bias)


def net(channels: int, classes: int, dims: int = 2) -> nn.Sequential:
    return nn.Sequential(conv(channels, 8, dims), nn.ReLU(), conv(8, classes, dims))


def nothing(there: int, here: int) -> None:
    return None


def test_the_same_network_is_taken_whole() -> None:
    one, other = net(1, 3), net(1, 3)
    found = fit(other, one.state_dict(), nothing)
    assert not found.new and not found.converted and not found.unused and found.part == ""
    load(other, found)
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(one(x), other(x))


def test_a_head_of_other_classes_is_new_and_named() -> None:
    one, other = net(1, 3), net(1, 2)
    before = copy.deepcopy(other.state_dict())
    found = fit(other, one.state_dict(), nothing)
    load(other, found)
    assert found.new == {"2.weight": "2x8x3x3, there 3x8x3x3", "2.bias": "2, there 3"}
    assert torch.equal(other[2].weight, before["2.weight"]) and torch.equal(other[0].weight, one[0].weight)


@pytest.mark.parametrize(("there", "here"), [(1, 3), (3, 1), (2, 3), (4, 2)])
def test_images_whose_channels_are_alike_give_what_they_gave(there: int, here: int) -> None:
    """A grey image repeated in every channel: the first layer's answer stays to the last digits."""
    one, other = net(there, 3), net(here, 3)
    found = fit(other, one.state_dict(), image_channels(there, here))
    load(other, found)
    grey = torch.randn(2, 1, 8, 8)
    expected, got = one(grey.expand(-1, there, -1, -1)), other(grey.expand(-1, here, -1, -1))
    torch.testing.assert_close(got, expected)
    assert list(found.converted) == ["0.weight"]


def test_scale_of_a_sum_over_unlike_channels() -> None:
    """Independent channels of variance 1: the variance of the answer is that of before, not a ninth of it."""
    torch.manual_seed(0)
    weight = torch.randn(512, 3, 3, 3)
    power = [w.square().sum((1, 2, 3)).mean().item() for w in (weight, convert(weight, [(3, 1)]))]
    assert power[1] == pytest.approx(power[0], rel=0.05)


def test_a_discriminator_keeps_what_it_knows_of_the_mask() -> None:
    """(image, mask): the image's filter is divided, those of the classes stay where they were."""
    one, other = conv(1 + 4, 8), conv(3 + 4, 8)
    load(other, fit(other, one.state_dict(), joined_channels(1, 3)))
    grey, mask = torch.randn(2, 1, 8, 8), torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(other(torch.cat([grey, grey, grey, mask], 1)), one(torch.cat([grey, mask], 1)))
    found = fit(conv(1 + 2, 8), one.state_dict(), joined_channels(1, 1))
    assert "weight" in found.new and not found.converted  # other classes: not to be mixed


def test_two_images_are_converted_each_for_itself() -> None:
    one, other = conv(2, 8), conv(6, 8)
    load(other, fit(other, one.state_dict(), joined_channels(1, 3)))
    a, b = torch.randn(2, 2, 1, 8, 8)
    torch.testing.assert_close(other(torch.cat([a, a, a, b, b, b], 1)), one(torch.cat([a, b], 1)))


def test_a_head_is_never_taken_for_an_input() -> None:
    """The second axis of a transposed convolution is its output."""
    one, other = nn.ConvTranspose2d(8, 1, 3), nn.ConvTranspose2d(8, 3, 3)
    found = fit(other, one.state_dict(), image_channels(1, 3))
    assert "weight" in found.new and not found.shares_weights


def test_other_dimensions_share_no_weights() -> None:
    assert not fit(net(1, 3, dims=3), net(1, 3).state_dict(), image_channels(1, 1)).shares_weights


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod."])
def test_the_prefix_of_a_wrapper_is_taken_off(prefix: str) -> None:
    one, other = net(1, 3), net(1, 3)
    found = fit(other, {f"{prefix}{name}": value for name, value in one.state_dict().items()}, nothing)
    assert not found.new and prefix.rstrip(".") in found.part


def test_a_network_that_became_a_part_is_found() -> None:
    body = net(1, 3)
    whole = nn.ModuleDict({"body": net(1, 3), "head": conv(3, 1)})
    found = fit(whole, body.state_dict(), nothing)
    assert {name.partition(".")[0] for name in found.state} == {"body"} and "body" in found.part
    back = fit(net(1, 3), whole.state_dict(), nothing)
    assert not back.new and "body" in back.part


def spectral(layer: nn.Module) -> nn.Module:
    return parametrizations.spectral_norm(layer)


def test_spectral_norm_follows_its_new_weight() -> None:
    """A layer with it starts from one without: its largest singular value is 1 at once (numpy's)."""
    torch.manual_seed(0)
    plain, normed = conv(4, 8), spectral(conv(4, 8))
    found = fit(normed, plain.state_dict(), nothing)
    load(normed, found)
    assert not found.new
    normed.eval()
    assert torch.linalg.matrix_norm(normed.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.02)
    expected = plain.weight / torch.linalg.matrix_norm(plain.weight.flatten(1), 2)
    torch.testing.assert_close(normed.weight, expected, rtol=0.05, atol=0.01)
    again = fit(conv(4, 8), normed.state_dict(), nothing)
    assert torch.equal(again.state["weight"], plain.weight)


def test_half_precision_is_loaded_in_the_networks_own() -> None:
    state = {name: value.half() for name, value in net(1, 3).state_dict().items()}
    assert {value.dtype for value in fit(net(1, 3), state, nothing).state.values()} == {torch.float32}


def test_nothing_fits_an_empty_state() -> None:
    assert fit(net(1, 3), {}, nothing) == Fit(new=dict.fromkeys(net(1, 3).state_dict(), "not there"))
