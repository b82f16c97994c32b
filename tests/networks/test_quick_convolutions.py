"""Convolutions in bfloat16 on a CPU: torch's numbers within its rounding, whatever way they are computed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ganatomy.networks import quick_convolutions
from ganatomy.networks.quick_convolutions import QuickConv2d, QuickConv3d
from ganatomy.networks.quick_layers import with_quick_layers

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "rows of one channel": (nn.Conv2d(1, 1, 3, 1, 1), (2, 1, 96, 96)),
    "rows of four channels": (nn.Conv2d(4, 4, 3, 1, 1), (2, 4, 96, 90)),
    "rows, more in than out, no bias": (nn.Conv2d(5, 3, 3, 1, 1, bias=False), (2, 5, 94, 100)),
    "planes": (nn.Conv3d(3, 2, 3, 1, 1), (2, 3, 24, 20, 22)),
    "small maps": (nn.Conv2d(32, 40, 4, 1, 1), (3, 32, 8, 9)),
    "small maps, stride, no bias": (nn.Conv2d(32, 48, 4, 2, 1, bias=False), (3, 32, 17, 16)),
    "small maps, few of them": (nn.Conv2d(32, 32, 4, 2, 1), (2, 32, 48, 48)),
    "small maps of volumes": (nn.Conv3d(32, 32, 4, (1, 2, 1), 1), (2, 32, 8, 8, 7)),
    "halves of few channels": (nn.Conv2d(3, 16, 4, 2, 1), (2, 3, 96, 90)),
    "halves of volumes, no bias": (nn.Conv3d(2, 20, 4, 2, 1, bias=False), (2, 2, 20, 24, 22)),
    "rows of a flat volume": (nn.Conv3d(1, 1, 3, 1, 1), (1, 1, 32, 64, 64)),
}
NEVER = {
    "sides that no rows divide": (nn.Conv2d(4, 4, 3, 1, 1), (2, 4, 97, 96)),
    "a small image": (nn.Conv2d(4, 4, 3, 1, 1), (2, 4, 32, 32)),
    "many channels": (nn.Conv2d(32, 16, 3, 1, 1), (2, 32, 96, 96)),
    "few weights for a map": (nn.Conv2d(32, 32, 4, 2, 1), (2, 32, 98, 98)),
    "groups": (nn.Conv2d(4, 4, 3, 1, 1, groups=2), (2, 4, 96, 96)),
    "another border": (nn.Conv2d(4, 4, 3, 1, 1, padding_mode="reflect"), (2, 4, 96, 96)),
}


def drawn(layer: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_(0, weight[0].numel() ** -0.5)
    return layer, torch.randn(shape)


def answers(layer: nn.Module, x: Tensor, bf16: bool = True, again: bool = False) -> list[Tensor]:
    """Output and gradients; with `again` those of a penalty on the gradient at x, too."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = layer(x)
    outward = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)).to(y.dtype)
    targets = [x, *layer.parameters()]
    if not again:
        return [y, *torch.autograd.grad(y, targets, outward)]
    (first,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    return [y, first, *torch.autograd.grad(first.square().mean(), [x, layer.weight])]


def off(one: Tensor, other: Tensor) -> float:
    one, other = one.detach().float(), other.detach().float()
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_as_near_to_float32_as_rounding_lets_it(name: str, again: bool) -> None:
    layer, x = drawn(*LAYERS[name])
    exact, ours = (
        answers(layer, x, bf16=False, again=again),
        answers(with_quick_layers(layer), x, again=again),
    )
    assert len(exact) == len(ours)
    for one, other in zip(ours, exact, strict=True):
        assert off(one, other) < (0.02 if again else 0.01)


@pytest.mark.parametrize("name", LAYERS)
def test_each_goes_its_own_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = drawn(*LAYERS[name])
    taken = []
    for way in ("_gathered", "_Apart"):
        real = getattr(quick_convolutions, way)
        monkeypatch.setattr(quick_convolutions, way, Spy(real, way, taken))
    answers(with_quick_layers(layer), x)
    assert taken == ["_gathered" if name.startswith(("rows", "planes")) else "_Apart"]


class Spy:
    """Notes a way that is taken: a call, or an `apply`."""

    def __init__(self, real, name, taken) -> None:
        self.real, self.name, self.taken = real, name, taken

    def __call__(self, *given):
        self.taken.append(self.name)
        return self.real(*given)

    def apply(self, *given):
        self.taken.append(self.name)
        return self.real.apply(*given)


@pytest.mark.parametrize("name", NEVER)
def test_what_does_not_fit_is_torch_s_own_to_the_bit(name: str) -> None:
    layer, x = drawn(*NEVER[name])
    for one, other in zip(
        answers(with_quick_layers(copy.deepcopy(layer)), x), answers(layer, x), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_and_channels_innermost_are_torch_s_own_to_the_bit(name: str) -> None:
    layer, x = drawn(*LAYERS[name])
    quick = with_quick_layers(copy.deepcopy(layer))
    for one, other in zip(answers(quick, x, bf16=False), answers(layer, x, bf16=False), strict=True):
        assert torch.equal(one, other)
    if x.shape[1] > 1:
        kinds = {4: torch.channels_last, 5: torch.channels_last_3d}
        x = x.to(memory_format=kinds[x.dim()])
        assert torch.equal(answers(quick, x)[2], answers(layer, x)[2])


def test_a_pass_through_d_leaves_its_weights_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """G's gradient through D: that of D's weights would be for nothing."""
    layer, x = drawn(*LAYERS["small maps"])
    quick, computed = with_quick_layers(layer), []
    real = quick_convolutions.CONVOLVE[2]
    monkeypatch.setitem(quick_convolutions.CONVOLVE, 2, lambda *given: (computed.append(1), real(*given))[1])
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = quick(x).float().sum()
    torch.autograd.grad(y, x, retain_graph=True)
    assert len(computed) == 1
    torch.autograd.grad(y, [x, quick.weight], retain_graph=True)
    assert len(computed) == 2
    y.backward(inputs=[x], retain_graph=True)
    assert len(computed) == 2
    y.backward()
    assert len(computed) == 3 and quick.weight.grad is not None


def test_a_pass_to_d_s_weights_leaves_its_images_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = drawn(*LAYERS["halves of few channels"])
    quick, computed, real = with_quick_layers(layer), [], quick_convolutions._at_input
    monkeypatch.setattr(quick_convolutions, "_at_input", lambda *given: (computed.append(1), real(*given))[1])
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = quick(x).float().sum()
    torch.autograd.grad(y, list(quick.parameters()), retain_graph=True)
    assert not computed
    torch.autograd.grad(y, [x], retain_graph=True)
    y.backward()
    assert len(computed) == 2


def test_a_frozen_layer_gives_x_its_gradient() -> None:
    layer, x = drawn(*LAYERS["small maps"])
    quick = with_quick_layers(layer).requires_grad_(False)
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        quick(x).float().sum().backward()
    assert x.grad is not None and quick.weight.grad is None


def test_kinds() -> None:
    network = with_quick_layers(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv3d(1, 1, 1), nn.Conv1d(1, 1, 1)))
    assert [type(layer) for layer in network] == [QuickConv2d, QuickConv3d, nn.Conv1d]
    with pytest.raises(RuntimeError, match="channels"), torch.autocast("cpu", torch.bfloat16):
        network[0](torch.zeros(1, 2, 4, 4))
