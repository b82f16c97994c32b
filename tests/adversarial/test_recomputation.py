"""Activations that are recomputed: the bits of those that are kept, derived twice too; less memory."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import monai.networks.nets as nets
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganatomy.adversarial import (
    LOSSES,
    PENALTIES,
    UPDATES,
    Ema,
    Game,
    PathLength,
    convert_global_layers,
    plan,
    recompute_activations,
)
from ganatomy.adversarial.recomputation import blocks
from ganatomy.errors import UserError
from ganatomy.networks.discriminators.unet import UNetDiscriminator
from ganatomy.networks.image_to_image.dynunet import DynUNet
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.networks.noise_to_image.dcgan import DcganDiscriminator, DcganGenerator
from ganatomy.networks.noise_to_image.flow import RectifiedFlow
from ganatomy.networks.noise_to_image.r3gan import R3Discriminator, R3Generator
from ganatomy.networks.noise_to_image.stylegan2 import StyleGenerator
from ganatomy.networks.quick_layers import with_quick_layers

SIDES = {2: (16, 16), 3: (16, 16, 16)}
Make = Callable[[int], nn.Module]
FROM_IMAGES: dict[str, Make] = {
    "unet": lambda dims: UNet(dims, 1, 2, channels=[4, 8, 8]),
    "monai unet, dropout": lambda dims: nets.UNet(
        dims, 1, 2, [4, 8, 16], [2, 2], num_res_units=2, dropout=0.3, norm="BATCH"
    ),
    "dynunet": lambda dims: DynUNet(dims, 1, 2, strides=[1, 2, 2], channels=[4, 8, 8]),
    "patches": lambda dims: nets.PatchDiscriminator(dims, 4, 1, num_layers_d=2, norm="BATCH"),
    "unet discriminator": lambda dims: UNetDiscriminator(dims, 1, channels=[4, 8]),
    "dcgan": lambda dims: DcganDiscriminator(dims, 1, SIDES[dims], channels=4),
    "r3gan": lambda dims: R3Discriminator(dims, 1, SIDES[dims], channels=4, group=4),
}
FROM_NOISE: dict[str, Make] = {
    "dcgan": lambda dims: DcganGenerator(dims, 1, SIDES[dims], channels=4),
    "r3gan": lambda dims: R3Generator(dims, 1, SIDES[dims], channels=4, group=4),
    "rectified flow": lambda dims: RectifiedFlow(dims, 1, SIDES[dims], steps=2, channels=[4, 8]),
}


def made(make: Make, dims: int, recomputed: bool) -> nn.Module:
    torch.manual_seed(0)
    network = convert_global_layers(with_quick_layers(make(dims)))
    return recompute_activations(network) if recomputed else network


def scores(output: Any) -> Tensor:
    return torch.stack([leaf.float().square().mean() for leaf in tree_leaves(output)]).sum()


def learned(network: nn.Module, x: Tensor, half: bool) -> list[Tensor]:
    """Gradients after two passes, that of the input gradient's norm added; values; buffers; random state."""
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        first, second = scores(network(x)), scores(network(x.detach() * 0.9))
    found = [first.detach(), second.detach()]
    loss = first + second
    if not half:
        (gradient,) = torch.autograd.grad(first, x, create_graph=True)
        loss = loss + gradient.square().sum()
        found.append(gradient.detach())
    loss.backward(inputs=list(network.parameters()))
    found += [p.grad if p.grad is not None else torch.zeros(1) for p in network.parameters()]
    return [*found, *(buffer.clone() for buffer in network.buffers()), torch.get_rng_state()]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", [*FROM_IMAGES, *(f"noise to image: {name}" for name in FROM_NOISE)])
def test_the_same_bits(name: str, dims: int, half: bool) -> None:
    kind, _, given = name.rpartition(": ")
    make = (FROM_NOISE if kind else FROM_IMAGES)[given]
    kept, again = (made(make, dims, recomputed) for recomputed in (False, True))
    assert list(kept.state_dict()) == list(again.state_dict())
    assert any("forward" in vars(module) for module in again.modules())
    torch.manual_seed(2)
    x = torch.randn(2, kept.latent) if kind else torch.randn(2, 1, *SIDES[dims])
    one, other = learned(kept, x, half), learned(again, x, half)
    assert sum(float(value.abs().sum()) for value in one[:-1]) > 0
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_path_lengths_of_styles() -> None:
    found = []
    for recomputed in (False, True):
        network = made(lambda dims: StyleGenerator(dims, 1, (16, 16), style=8, channels=4), 2, recomputed)
        torch.manual_seed(1)
        loss = PathLength(weight=2.0)(network, torch.randn(3, network.latent))
        (2 * loss).backward()
        found.append([loss.detach(), *(p.grad for p in network.parameters() if p.grad is not None)])
    assert len(found[0]) > 5 and all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("penalties", [[], ["r1", "r2"], ["gradient_penalty"]])
@pytest.mark.parametrize("update", UPDATES)
def test_steps_of_a_game(update: str, penalties: list[str]) -> None:
    """In every order, with the penalties that derive twice, on micro-batches."""
    weights = []
    for recomputed in (False, True):
        generator = made(lambda dims: nets.UNet(dims, 1, 2, [4, 8, 16], [2, 2], dropout=0.3), 3, recomputed)
        discriminator = made(
            lambda dims: nets.PatchDiscriminator(dims, 4, 3, num_layers_d=1, norm="INSTANCE"), 3, recomputed
        )
        rules = SimpleNamespace(
            generate=generator,
            discriminator_inputs=lambda x, y: (torch.cat([x, x, x], 1), torch.cat([x, y], 1)),
            task_losses=lambda x, y: {"l1": (y - x).abs().mean()},
        )
        chosen = [PENALTIES[name]() for name in penalties]
        game = Game(rules, generator, discriminator, LOSSES["non_saturating"](), penalties=chosen)
        players = {"generator": generator, "discriminator": discriminator}
        optimisers = {name: torch.optim.SGD(each.parameters(), 0.05) for name, each in players.items()}

        def step(player: str, optimisers: dict[str, Any] = optimisers) -> None:
            optimisers[player].step()
            optimisers[player].zero_grad()

        torch.manual_seed(3)
        batch = torch.randn(4, 1, 16, 16, 16)
        order = plan(game, update, accumulate=2, batch=batch).update
        for number in range(2):
            order(game, batch, number, step)
        weights.append([value for each in players.values() for value in each.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_a_mode_that_changes_before_backward() -> None:
    found = []
    for recomputed in (False, True):
        network = made(FROM_IMAGES["monai unet, dropout"], 2, recomputed)
        torch.manual_seed(1)
        loss = scores(network.train()(torch.randn(2, 1, 16, 16)))
        network.eval()
        loss.backward()
        assert not any(module.training for module in network.modules())
        found.append([p.grad for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_copy_computes_with_its_own_weights() -> None:
    network = made(FROM_IMAGES["unet"], 2, True)
    average, x = Ema(network, half_life=10), torch.randn(2, 1, 16, 16)
    other = copy.deepcopy(network)
    with torch.no_grad():
        before = average.module(x)
        for weight in network.parameters():
            weight.mul_(1.5)
        assert torch.equal(average.module(x), before) and not torch.allclose(network(x), before)
    scores(other(x)).backward()
    assert all(p.grad is not None for p in other.parameters())
    assert all(p.grad is None for p in network.parameters())


class Live(TorchDispatchMode):
    """Counts the bytes of tensors that are alive, and the most of them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and (key := tensor.untyped_storage().data_ptr()) not in self.known:
                self.known.add(key)
                self.now += tensor.untyped_storage().nbytes()
                weakref.finalize(tensor.untyped_storage(), self._gone, key, tensor.untyped_storage().nbytes())
        self.most = max(self.most, self.now)
        return made

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def most_bytes(make: Make, recomputed: bool) -> int:
    network, x = made(make, 3, recomputed), torch.randn(1, 1, 32, 32, 32)
    with Live() as live:
        scores(network(x)).backward()
    return live.most


@pytest.mark.parametrize("name", ["unet", "monai unet, dropout"])
def test_the_peak_of_memory_is_lower_in_3d(name: str) -> None:
    kept, again = (most_bytes(FROM_IMAGES[name], recomputed) for recomputed in (False, True))
    assert again < 0.8 * kept, f"{again / kept:.2f}"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("unet", ["enter", "down.0", "down.1", "up.0", "up.1"]),
        ("monai unet, dropout", ["model.0", "model.1", "model.2.0", "model.2.1"]),
        ("patches", ["initial_conv", "0", "1", "final_conv"]),
        ("r3gan", [f"levels.{level}.{block}" for level in range(3) for block in range(2)]),
    ],
)
def test_which_blocks(name: str, expected: list[str]) -> None:
    network = made(FROM_IMAGES[name], 2, False)
    found = blocks(network)
    assert [
        key for key, module in network.named_modules() if any(module is each for each in found)
    ] == expected


def test_layers_in_a_row_are_one_block() -> None:
    flat = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    assert blocks(flat) == [] and "forward" in vars(recompute_activations(flat))


def test_spectral_norm_is_refused_in_one_line() -> None:
    network = made(FROM_IMAGES["patches"], 2, True)
    nn.utils.parametrizations.spectral_norm(network.initial_conv.conv)
    with pytest.raises(
        UserError, match=r"trainer.checkpointing: Convolution has spectral norm .* leave this"
    ):
        network(torch.randn(2, 1, 16, 16))
