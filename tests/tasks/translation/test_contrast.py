"""CUT and FastCUT: the loss by its formula in plain numpy, gradients of every weight, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn

from ganatomy.adversarial import LOSSES, UPDATES, Game
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.resnet import ResidualGenerator
from ganatomy.networks.patch_projection import PatchProjection
from ganatomy.tasks.translation.base import Players
from ganatomy.tasks.translation.contrast import Contrast, patch_contrast

LAYERS = [0, 2, 3, 4]
SIDES = {2: (16, 12), 3: (8, 8, 12)}


def generator(dims: int = 2, inputs: int = 1, outputs: int = 1, translator: Any = None) -> nn.ModuleDict:
    translator = translator or ResidualGenerator(dims, inputs, outputs, [4, 6, 8], blocks=2, size=3)
    given = {"spatial_dims": dims, "in_channels": inputs, "out_channels": outputs, "layers": LAYERS}
    given |= PatchProjection.arguments_beside(given, {"translator": translator})
    return nn.ModuleDict({"translator": translator, "head": PatchProjection(**given, width=8)}).double()


def discriminator(dims: int = 2, channels: int = 1) -> nn.ModuleDict:
    network = PatchDiscriminator(dims, 4, channels, num_layers_d=1, norm="INSTANCE")
    return nn.ModuleDict({"target": network}).double()


def begun(method: Contrast, dims: int = 2, inputs: int = 1, outputs: int = 1) -> Contrast:
    torch.manual_seed(0)
    method.begin(Players(generator(dims, inputs, outputs), discriminator(dims, outputs), dims))
    return method


def batch(dims: int = 2, inputs: int = 1, outputs: int = 1, rows: int = 3) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(1)
    shapes = {"image": inputs, "target": outputs}
    return {
        name: torch.randn(rows, channels, *SIDES[dims], generator=draw, dtype=torch.float64)
        for name, channels in shapes.items()
    }


def reference(queries: np.ndarray, keys: np.ndarray, temperature: float) -> float:
    """Eq. 3 of the paper, written with loops: each query among the keys of its own image."""
    values = []
    for query_rows, key_rows in zip(queries, keys, strict=True):
        for place, query in enumerate(query_rows):
            likeness = [np.exp(np.dot(query, key) / temperature) for key in key_rows]
            values.append(-np.log(likeness[place] / np.sum(likeness)))
    return float(np.mean(values))


def projected(head: PatchProjection, layer: int, features: np.ndarray) -> np.ndarray:
    """Two layers and the length 1, in numpy, for features [B, P, C]."""
    first, second = (
        (part.weight.detach().numpy(), part.bias.detach().numpy()) for part in list(head.each[layer])[::2]
    )
    out = np.maximum(features @ first[0].T + first[1], 0) @ second[0].T + second[1]
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def test_value_of_the_formula() -> None:
    draw = np.random.default_rng(0)
    queries, keys = (draw.normal(size=(2, 7, 5)) for _ in range(2))
    queries, keys = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (queries, keys))
    ours = patch_contrast(torch.from_numpy(queries), torch.from_numpy(keys), 0.07)
    assert ours.shape == (2,)
    assert float(ours.mean()) == pytest.approx(reference(queries, keys, 0.07), rel=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
def test_losses_of_a_batch(dims: int) -> None:
    """The positions are the same in image and translation, in every layer and on both sides."""
    method, given = begun(Contrast(weight=2.0, identity=0.5, patches=20), dims), batch(dims)
    torch.manual_seed(3)
    output = method.generate(given)
    losses = method.task_losses(given, output)
    network: Any = method.players.generator["translator"]  # type: ignore[index]
    with torch.no_grad():
        made = {"contrast": network(given["image"]), "identity": network(given["target"])}
        sources = {"contrast": given["image"], "identity": given["target"]}
        for name, weight in {"contrast": 2.0, "identity": 0.5}.items():
            values = []
            for number, layer in enumerate(LAYERS):
                places = output["positions"][number]
                found = [
                    network.encode(x)[layer].flatten(2)[:, :, places].transpose(1, 2).numpy()
                    for x in (made[name], sources[name])
                ]
                queries, keys = (projected(method.head, number, x) for x in found)
                values.append(reference(queries, keys, 0.07))
            assert float(losses[name].detach()) == pytest.approx(weight * np.mean(values), rel=1e-12), name
    assert torch.equal(method.translated(output), made["contrast"])


def test_keys_are_no_way_for_gradients() -> None:
    """The head learns from the queries alone: the keys are projected by a copy of it that is fixed."""
    method, given = begun(Contrast(identity=0.0, patches=20)), batch()
    output = method.generate(given)
    (loss,) = method.task_losses(given, output).values()
    found = torch.autograd.grad(loss, list(method.head.parameters()))
    network: Any = method.players.generator["translator"]  # type: ignore[index]
    queries, keys = (
        [
            network.encode(x)[layer].flatten(2)[:, :, places].transpose(1, 2)
            for layer, places in zip(LAYERS, output["positions"], strict=True)
        ]
        for x in (output["translation"], given["image"])
    )
    fixed = [each.detach() for each in copy.deepcopy(method.head)(keys)]
    pairs = zip(method.head(queries), fixed, strict=True)
    value = torch.stack([patch_contrast(*pair, 0.07).mean() for pair in pairs]).mean()
    wanted = torch.autograd.grad(value, list(method.head.parameters()))
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found, wanted, strict=True))


def test_positions_are_drawn_without_repetition_and_all_of_a_small_layer() -> None:
    method, given = begun(Contrast(patches=50)), batch()
    positions = method.generate(given)["positions"]
    assert [len(each) for each in positions] == [50, 48, 12, 12]
    assert all(len(each.unique()) == len(each) for each in positions)
    torch.manual_seed(5)
    first, second = (method.generate(given)["positions"][0] for _ in range(2))
    torch.manual_seed(5)
    assert not torch.equal(first, second) and torch.equal(first, method.generate(given)["positions"][0])


def test_moved_anatomy_raises_the_loss() -> None:
    """A planted fault: the translation shows the image two pixels further on."""
    method, given = begun(Contrast(identity=0.0)), batch()
    optimizer = torch.optim.Adam(method.head.parameters(), 1e-3)
    for _ in range(60):
        output = {**method.generate(given), "translation": given["image"]}
        loss = method.task_losses(given, output)["contrast"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moved = {**output, "translation": given["image"].roll(2, dims=2)}
    with torch.no_grad():
        right, wrong = (float(method.task_losses(given, out)["contrast"]) for out in (output, moved))
    assert wrong > right + 0.5


@pytest.mark.parametrize("identity", [1.0, 0.0])
@pytest.mark.parametrize("channels", [(1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("dims", [2, 3])
def test_every_weight_has_a_finite_gradient(
    dims: int, update: str, channels: tuple[int, int], identity: float
) -> None:
    method = begun(Contrast(identity=identity, patches=16), dims, *channels)
    players = method.players
    game = Game(method, players.generator, players.discriminator, LOSSES["least_squares"]())
    gradients: dict[str, dict[str, Tensor | None]] = {}

    def step(player: str) -> None:
        network: Any = getattr(players, player)
        gradients[player] = {name: p.grad for name, p in network.named_parameters()}
        network.zero_grad()

    log = UPDATES[update]()(game, batch(dims, *channels), 0, step)
    assert set(gradients) == {"generator", "discriminator"}
    for found in gradients.values():
        for name, gradient in found.items():
            assert gradient is not None and gradient.isfinite().all(), name
            assert "bias" in name or gradient.abs().max() > 0, name
    assert ("loss/generator/identity" in log) == (identity > 0)
    assert ("head.entry.weight" in gradients["generator"]) == (channels[0] != channels[1])


def test_updates_agree_with_one_plain_backward() -> None:
    """Losses that reach the encoder around the cut, written as one sum and differentiated at once."""
    method, given = begun(Contrast(patches=16)), batch()
    networks, adversary = method.players.generator, method.players.discriminator
    assert isinstance(adversary, nn.ModuleDict)
    torch.manual_seed(2)
    output = method.generate(given)
    logits = adversary["target"](output["translation"])[-1]
    total = sum(method.task_losses(given, output).values()) + 0.5 * (logits - 1).square().mean()
    expected = torch.autograd.grad(total, list(networks.parameters()))
    for update in ("shared", "g_first"):
        game = Game(method, networks, adversary, LOSSES["least_squares"]())
        found: list[Tensor] = []

        def step(player: str, found: list[Tensor] = found) -> None:
            if player == "generator":
                found += [p.grad.clone() for p in networks.parameters() if p.grad is not None]
            networks.zero_grad()

        torch.manual_seed(2)
        UPDATES[update]()(copy_of(game), given, 0, step)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def copy_of(game: Game) -> Game:
    return Game(game.rules, game.generator, copy.deepcopy(game.discriminator), game.loss)


class WithoutDecoder(nn.Module):
    """A user's own network: features by `encode`, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 4), (4, 4), (4, 1))])

    def encode(self, x: Tensor) -> list[Tensor]:
        found = [x]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)[-1]


def test_another_network_with_an_encoder_serves() -> None:
    translator = WithoutDecoder()
    given = {"in_channels": 1, "out_channels": 1, "spatial_dims": 2, "layers": [0, 1, 2]}
    given |= PatchProjection.arguments_beside(given, {"translator": translator})
    networks = nn.ModuleDict({"translator": translator, "head": PatchProjection(**given, width=8)}).double()
    method = Contrast(patches=16)
    method.begin(Players(networks, discriminator(), 2))
    sum(method.task_losses(batch(), method.generate(batch())).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None or p.grad.isfinite().all() for p in networks.parameters())
    assert all(p.grad is not None for p in networks["head"].parameters())


@pytest.mark.parametrize(
    "given, words",
    [
        ({"layers": [0, 6]}, "model.generator.head.layers: [0, 6]; ResidualGenerator has 6 layers, 0 to 5"),
        ({"layers": [1, 1]}, "numbers of layers from 0 on, each once"),
        ({"layers": []}, "numbers of layers from 0 on, each once"),
        ({"layers": [-1]}, "numbers of layers from 0 on, each once"),
    ],
)
def test_layers_that_the_translator_has_not(given: dict[str, Any], words: str) -> None:
    translator = ResidualGenerator(2, 1, 1, [4, 6, 8], blocks=2)
    with pytest.raises(UserError) as error:
        PatchProjection.arguments_beside({"in_channels": 1, **given}, {"translator": translator})
    assert words in str(error.value)


def test_players_that_do_not_suit() -> None:
    networks, adversary = generator(), discriminator()
    plain = nn.ModuleDict({"translator": nn.Conv2d(1, 1, 1), "head": networks["head"]})
    cases: list[tuple[nn.Module, nn.Module | None, str]] = [
        (networks, None, "model.discriminator: null"),
        (networks, adversary["target"], "of the name target"),
        (networks["translator"], adversary, "translator and head"),
        (plain, adversary, "Conv2d has no method encode"),
    ]
    for network, other, words in cases:
        with pytest.raises(UserError, match=words):
            Contrast().begin(Players(network, other, 2))
    for wrong in ({"weight": 0.0}, {"identity": -1.0}, {"patches": 1}, {"temperature": 0.0}):
        (key, value), *_ = wrong.items()
        with pytest.raises(UserError, match=rf"^{key}: {value} must be"):
            Contrast(**wrong)  # type: ignore[arg-type]
