"""Quick layers: torch's numbers and gradients of any order, the layout kept, no trace in a file."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from ganatomy.networks.quick_layers import LAYOUTS, QUICK, with_quick_layers

LAYERS = {
    "prelu": nn.PReLU(),
    "prelu of each channel": nn.PReLU(3),
    "instance norm": nn.InstanceNorm2d(3),
    "instance norm with weights": nn.InstanceNorm2d(3, affine=True),
    "instance norm 3d": nn.InstanceNorm3d(3, affine=True),
}


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """Torch's layer and the quick one in float64, with weights away from their first values."""
    theirs = copy.deepcopy(LAYERS[name]).double()
    with torch.no_grad():
        for number, weight in enumerate(theirs.parameters()):
            weight.copy_(torch.linspace(0.3, 0.9, weight.numel()) - number)
    return theirs, with_quick_layers(copy.deepcopy(theirs))


def images(name: str, last: bool, seed: int = 0) -> Tensor:
    sides = (2, 3, 4) if "3d" in name else (5, 4)
    x = torch.randn(4, 3, *sides, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x.to(memory_format=LAYOUTS[x.dim()]) if last else x


def first_and_second_order(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, gradients at x and weights, and those of a penalty on the first."""
    x = x.detach().requires_grad_()
    y = layer(x)
    targets = [x, *layer.parameters()]
    first = torch.autograd.grad(y.sin().sum(), targets, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), targets, allow_unused=True)
    return [y, *first, *(each for each in second if each is not None)]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_torch_s_numbers_and_gradients(name: str, last: bool) -> None:
    theirs, ours = pair(name)
    x = images(name, last)
    expected, got = first_and_second_order(theirs, x), first_and_second_order(ours, x)
    assert len(expected) == len(got)
    for one, other in zip(expected, got, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_numerical_gradients(name: str, last: bool) -> None:
    _, ours = pair(name)
    x = images(name, last)[:2].requires_grad_()
    inputs = (x, *ours.parameters())
    assert gradcheck(lambda x, *_: ours(x), inputs, fast_mode=True)
    assert gradgradcheck(lambda x, *_: ours(x), inputs, fast_mode=True)


@pytest.mark.parametrize("name", LAYERS)
def test_a_backward_that_is_not_differentiated_is_the_same(name: str) -> None:
    theirs, ours = pair(name)
    found = []
    for layer in (theirs, ours):
        x = images(name, False).requires_grad_()
        layer(x).sin().sum().backward()
        found.append([x.grad, *(weight.grad for weight in layer.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-11, atol=1e-11)


def test_a_slope_that_is_frozen_gets_no_gradient() -> None:
    _, ours = pair("prelu")
    ours.requires_grad_(False)
    x = images("prelu", False).requires_grad_()
    ours(x).sum().backward()
    assert ours.weight.grad is None
    assert x.grad is not None


@pytest.mark.parametrize("value", [0.0, -0.0, float("inf"), float("-inf"), float("nan")])
def test_prelu_of_values_at_the_edge(value: float) -> None:
    found = []
    for layer in pair("prelu"):
        x = torch.full((1, 1), value, dtype=torch.float64, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        found.append(torch.stack([y.detach().flatten(), x.grad.flatten(), layer.weight.grad]))
    assert torch.equal(found[0].nan_to_num(7.0), found[1].nan_to_num(7.0))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["prelu", "instance norm", "instance norm 3d"])
def test_the_layout_and_type_of_the_input_stay(name: str, bf16: bool, last: bool) -> None:
    ours = with_quick_layers(copy.deepcopy(LAYERS[name]))
    x = images(name, last).to(torch.bfloat16 if bf16 else torch.float32).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = ours(x)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert (y.dtype, gradient.dtype) == (x.dtype, x.dtype)
    assert y.stride() == gradient.stride() == x.stride()


def test_close_to_torch_s_under_autocast() -> None:
    for name in LAYERS:
        theirs, ours = (layer.float() for layer in pair(name))
        x = images(name, True).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(ours(x), theirs(x), rtol=0.02, atol=0.02)


def test_what_torch_refuses_is_refused_and_statistics_are_kept() -> None:
    ours = with_quick_layers(nn.InstanceNorm2d(3))
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        ours(torch.zeros(2, 3, 1, 1))
    with pytest.raises(ValueError, match="expected 3D or 4D"):
        ours(torch.zeros(2, 3, 4, 4, 4))
    tracked = with_quick_layers(nn.InstanceNorm2d(3, track_running_stats=True))
    tracked(torch.ones(2, 3, 4, 4))
    assert tracked.running_mean.mean() > 0.05
    assert torch.equal(
        ours(torch.arange(48.0).reshape(3, 4, 4)).mean((1, 2)).round(decimals=5), torch.zeros(3)
    )
    assert with_quick_layers(nn.InstanceNorm2d(3))(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)


def test_names_and_weights_stay_and_a_second_call_changes_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.InstanceNorm2d(3, affine=True), nn.PReLU())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = list(network.parameters())
    twice = with_quick_layers(with_quick_layers(network))
    assert twice is network
    assert all(one is other for one, other in zip(weights, twice.parameters(), strict=True))
    assert before.keys() == twice.state_dict().keys()
    assert [type(layer) for layer in twice][1:] == [QUICK[nn.InstanceNorm2d], QUICK[nn.PReLU]]

    class Mine(nn.PReLU):
        """A layer of a user's own."""

    assert type(with_quick_layers(Mine())) is Mine


def test_a_traced_network_is_torch_s_own() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.InstanceNorm2d(3, affine=True), nn.PReLU()).eval()
    x = torch.randn(2, 1, 8, 8)
    plain = torch.jit.trace(copy.deepcopy(network), x)
    quick = torch.jit.trace(with_quick_layers(network), x)
    assert [node.kind() for node in plain.inlined_graph.nodes()] == [
        node.kind() for node in quick.inlined_graph.nodes()
    ]
    stored = io.BytesIO()
    torch.jit.save(quick, stored)
    torch.testing.assert_close(torch.jit.load(io.BytesIO(stored.getvalue()))(x), network(x))
    exported = torch.export.export(network, (x,))
    names = {str(node.target) for node in exported.graph.nodes}
    assert "aten.prelu.default" in names
    assert not any("group_norm" in name for name in names)
