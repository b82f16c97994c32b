"""The shared update against the G-first step written out plainly, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, Game
from ganatomy.adversarial.losses.weighting import Fixed
from tests.adversarial import players

KINDS = {
    "none": list,
    "r1": lambda: [PENALTIES["r1"](gamma=2.0)],
    "r1_r2": lambda: [PENALTIES["r1"](gamma=2.0), PENALTIES["r2"](gamma=3.0)],
    "gp": lambda: [PENALTIES["gradient_penalty"](weight=10.0)],
}


def play(
    loss: str, shape: str, kind: str, update: str = "shared", matching: float = 0.0
) -> tuple[Game, nn.Module, nn.Module, nn.Module, nn.Module]:
    """Build the game, its players, and copies of them for the reference."""
    torch.manual_seed(1)
    g, d = players.generator(), players.DISCRIMINATORS[shape]()
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    rules = players.Rules(g)
    game = Game(rules, g, d, LOSSES[loss](), Fixed(0.3), feature_matching=matching, penalties=KINDS[kind]())
    return game, g, d, twin_g, twin_d


@pytest.mark.parametrize("update", ["shared", "g_first"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", players.DISCRIMINATORS)
@pytest.mark.parametrize("loss", players.EVERY_LOSS)
def test_gradients_equal_the_g_first_reference(loss: str, shape: str, kind: str, update: str) -> None:
    game, g, d, twin_g, twin_d = play(loss, shape, kind)
    data = players.batch()
    torch.manual_seed(2)
    UPDATES[update]()(game, data, 0, lambda player: None)
    torch.manual_seed(2)
    players.g_first(players.Rules(twin_g), twin_g, twin_d, data, loss, kind, weight=0.3)
    assert players.furthest(players.gradients(g), players.gradients(twin_g)) < 1e-12
    assert players.furthest(players.gradients(d), players.gradients(twin_d)) < 1e-12


@pytest.mark.parametrize("shape", ["patch", "multi_scale"])
def test_feature_matching_equals_the_reference(shape: str) -> None:
    game, g, d, twin_g, twin_d = play("hinge", shape, "r1", matching=4.0)
    data = players.batch()
    UPDATES["shared"]()(game, data, 0, lambda player: None)
    players.g_first(players.Rules(twin_g), twin_g, twin_d, data, "hinge", "r1", weight=0.3, matching=4.0)
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", players.DISCRIMINATORS)
@pytest.mark.parametrize("loss", players.EVERY_LOSS)
def test_ten_steps_end_at_the_reference_s_parameters_and_moments(loss: str, shape: str, kind: str) -> None:
    game, g, d, twin_g, twin_d = play(loss, shape, kind)
    adam = {
        player: torch.optim.Adam(m.parameters(), 1e-3)
        for player, m in (("generator", g), ("discriminator", d))
    }
    twins = [torch.optim.Adam(m.parameters(), 1e-3) for m in (twin_g, twin_d)]

    def stepper(player: str) -> None:
        adam[player].step()
        adam[player].zero_grad()

    for step in range(10):
        data = players.batch(seed=step)
        torch.manual_seed(step)
        UPDATES["shared"]()(game, data, step, stepper)
        torch.manual_seed(step)
        players.g_first(players.Rules(twin_g), twin_g, twin_d, data, loss, kind, weight=0.3)
        for twin in twins:
            twin.step()
    assert (
        players.furthest([*g.parameters(), *d.parameters()], [*twin_g.parameters(), *twin_d.parameters()])
        < 1e-10
    )
    for optimizer, twin_optimizer in zip(adam.values(), twins, strict=True):
        for moment in ("exp_avg", "exp_avg_sq"):
            ours = [optimizer.state[p][moment] for p in optimizer.param_groups[0]["params"]]
            reference = [twin_optimizer.state[p][moment] for p in twin_optimizer.param_groups[0]["params"]]
            assert players.furthest(ours, reference) < 1e-10
