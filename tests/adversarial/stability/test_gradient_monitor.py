"""Bad gradients are planted; the line that stops the run names the loss and the layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, Game, GradientMonitor, NotFinite
from ganatomy.adversarial.stability.diagnosis import diagnose
from tests.adversarial import players


class Root(nn.Module):
    """√|x|, whose gradient is infinite at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return (0 * x).abs().sqrt() + x


class Burst(nn.Module):
    """An activation that overflows."""

    def forward(self, x: Tensor) -> Tensor:
        return x * float("inf")


class Rules(players.Rules):
    """A second task loss that may be bad."""

    def __init__(self, generator: nn.Module, bad: str = "") -> None:
        super().__init__(generator)
        self.bad = bad

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        losses = super().task_losses(batch, output)
        if self.bad == "log":
            losses["dice"] = (0 * output.mean()).log()
        if self.bad == "root":
            losses["ssim"] = (0 * output.mean()).sqrt()
        return losses


def run(game: Game, watch: GradientMonitor, update: str = "shared", steps: int = 1) -> None:
    for step in range(steps):
        data = players.batch()

        def stepper(player: str, step: int = step, data: dict[str, Tensor] = data) -> None:
            watch.observe(player, step, data)

        UPDATES[update]()(game, data, step, stepper)
        for network in (game.generator, game.discriminator):
            network.zero_grad() if network is not None else None


def game_with(g: nn.Module | None = None, d: nn.Module | None = None, bad: str = "", **more: Any) -> Game:
    torch.manual_seed(0)
    g = g or players.generator()
    return Game(Rules(g, bad), g, d or players.scalar(), LOSSES["hinge"](), **more)


def with_layer(player: str, layer: nn.Module, at: int) -> dict[str, Any]:
    """Append a layer to a player."""
    layers = list(players.generator() if player == "g" else players.scalar())
    layers.insert(at, layer)
    return {player: nn.Sequential(*layers)}


class BadPenalty(PENALTIES["r1"]):  # type: ignore[misc]
    name = "r1"

    def forward(self, *arguments: Any) -> Tensor:
        return (0 * super().forward(*arguments)).sqrt()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: {"bad": "log"}, r"generator.*loss dice, in its own formula: "),
        (lambda: {"bad": "root"}, r"generator.*loss ssim, in its own formula, in the backward pass"),
        (lambda: with_layer("g", Burst(), 2), r"generator\.2 \(Burst\): its output"),
        (lambda: with_layer("g", Root(), 2), r"loss l2, layer generator\.2 \(Root\): in its backward pass"),
        (lambda: with_layer("d", Burst(), 2), r"loss adversarial.*discriminator\.2 \(Burst\)"),
        (lambda: with_layer("d", Root(), 4), r"loss adversarial.*discriminator\.4 \(Root\)"),
        (lambda: {"penalties": [BadPenalty()]}, r"discriminator is not finite.*loss r1, in its own"),
    ],
)
@pytest.mark.parametrize("update", ["shared", "textbook"])
def test_the_line_names_where_it_began(make: Any, says: str, update: str) -> None:
    game = game_with(**make())
    with pytest.raises(NotFinite, match=says) as caught:
        run(game, GradientMonitor(game), update)
    line = str(caught.value)
    assert line.startswith("step 0: ") and "\n" not in line


def test_nothing_is_said_of_good_gradients_and_the_norm_is_torch_s() -> None:
    game = game_with()
    watch = GradientMonitor(game)
    norms: dict[str, Tensor] = {}
    data = players.batch()
    UPDATES["shared"]()(game, data, 0, lambda player: norms.update({player: watch.observe(player, 0, data)}))
    for player, norm in norms.items():
        expected = torch.nn.utils.get_total_norm([p.grad for p in game.parameters(player)])
        torch.testing.assert_close(norm, expected)
    watch.raise_if_bad()


def test_a_bad_weight_is_named() -> None:
    game = game_with()
    with torch.no_grad():
        game.generator[2].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotFinite, match=r"before this step: generator\.2\.weight"):
        run(game, GradientMonitor(game))


def test_bad_data_are_named_as_an_input() -> None:
    game = game_with()
    data = players.batch()
    data["image"][0] = float("nan")
    with pytest.raises(NotFinite, match=r"generator\.0 \(Conv2d\): its input is not finite"):
        UPDATES["shared"]()(
            game, data, 0, lambda player: GradientMonitor(game).observe(player, 0, data) and None
        )


def test_where_the_host_does_not_wait_the_first_bad_step_and_layer_are_kept() -> None:
    game = game_with()
    watch = GradientMonitor(game, at_once=False)
    run(game, watch, steps=2)
    watch.raise_if_bad()
    game.rules.bad = "root"
    run(game, watch, steps=3)
    game.rules.bad = ""
    run(game, watch)
    with pytest.raises(NotFinite, match=r"step 0: .*generator\.2 \(4 parameters"):
        watch.raise_if_bad()


def test_the_diagnosis_moves_no_running_mean() -> None:
    """LeCam puts new means in the place of the old ones whenever it looks."""
    game = game_with(penalties=[PENALTIES["lecam"]()])
    data = players.batch()
    UPDATES["shared"]()(game, data, 0, lambda player: None)
    state = {name: value.clone() for name, value in game.penalties[0].state_dict().items()}
    assert diagnose(game, players.batch(seed=1), 1, "discriminator") == ""
    assert all(torch.equal(value, state[name]) for name, value in game.penalties[0].state_dict().items())


def test_the_diagnosis_leaves_no_trace() -> None:
    game = game_with(bad="root", penalties=[PENALTIES["lecam"]()])
    data = players.batch()
    UPDATES["shared"]()(game, data, 0, lambda player: None)
    gradients = players.gradients(game.discriminator)
    state = {name: value.clone() for name, value in game.penalties[0].state_dict().items()}
    with pytest.raises(NotFinite):
        GradientMonitor(game).observe("generator", 0, data)
    after = players.gradients(game.discriminator)
    assert all(torch.equal(a, b) for a, b in zip(gradients, after, strict=True))
    assert all(torch.equal(value, state[name]) for name, value in game.penalties[0].state_dict().items())
    assert not game.generator[0]._forward_hooks and not game.generator[0]._forward_pre_hooks


def test_a_norm_beyond_the_largest_number_names_no_layer() -> None:
    generator = nn.Linear(4, 4, bias=False)
    generator.weight.grad = torch.full((4, 4), 1e30)
    monitor = GradientMonitor(Game(rules=None, generator=generator, discriminator=None, loss=None))  # type: ignore[arg-type]
    with pytest.raises(NotFinite, match="every single gradient is finite"):
        monitor.observe("generator", step=3)
