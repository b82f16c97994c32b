"""One backward pass for both players: equal to the G-first step where it is exact, aside where it is not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, WEIGHTS, DiscriminatorOutput, Game
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.adversarial.updates.one_backward import gradient_ratio
from tests.adversarial import players
from tests.adversarial.count import count_forwards


def one_backward(
    loss: str, d: nn.Module, change: Callable[[nn.Module], None] = lambda d: None
) -> tuple[float, dict[str, int]]:
    """Distance to the reference of both players' gradients, and D's passes."""
    torch.manual_seed(3)
    g = players.generator()
    change(d)
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    with count_forwards(g, d) as passes:
        UPDATES["one_backward"]()(
            Game(players.Rules(g), g, d, LOSSES[loss](), Fixed(0.3)), data, 0, lambda p: None
        )
    players.g_first(players.Rules(twin_g), twin_g, twin_d, data, loss, weight=0.3)
    return players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)), passes


@pytest.mark.parametrize("loss", players.REFERENCE)
def test_equals_the_reference_with_one_logit_a_sample(loss: str) -> None:
    torch.manual_seed(3)
    distance, passes = one_backward(loss, players.scalar())
    assert distance < 1e-12
    assert passes == {"generator": 1, "discriminator": 2, "backward": 2}


@pytest.mark.parametrize("loss", ["minimax", "wasserstein"])
@pytest.mark.parametrize("shape", ["patch", "multi_scale"])
def test_zero_sum_losses_need_no_second_pass_on_any_map(loss: str, shape: str) -> None:
    torch.manual_seed(3)
    distance, passes = one_backward(loss, players.DISCRIMINATORS[shape]())
    assert distance < 1e-12
    assert passes["backward"] == 2


@pytest.mark.parametrize("loss", ["non_saturating", "least_squares", "hinge", "relativistic_paired"])
def test_a_map_is_shared(loss: str) -> None:
    torch.manual_seed(3)
    distance, passes = one_backward(loss, players.Patch().double())
    assert distance < 1e-12
    assert passes["backward"] == 3


def move(to: float) -> Callable[[nn.Module], None]:
    """Let D's logits all be `to`, or near it."""

    def change(d: nn.Module) -> None:
        d[-1].weight.data.mul_(1e-3)
        d.append(Shift(to))

    return change


class Shift(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


@pytest.mark.parametrize(("loss", "at"), [("hinge", -1.5), ("non_saturating", -40.0)])
def test_a_batch_at_a_singular_logit_is_shared(loss: str, at: float) -> None:
    torch.manual_seed(3)
    distance, passes = one_backward(loss, players.scalar(), move(at))
    assert distance < 1e-12
    assert passes["backward"] == 3


@pytest.mark.parametrize(
    ("loss", "f", "r"),
    [
        ("hinge", -1.0, 0.0),
        ("hinge", -3.0, 0.0),
        ("least_squares", 0.0, 0.0),
        ("non_saturating", -60.0, 0.0),
        ("non_saturating", -800.0, 0.0),
        ("relativistic_paired", -30.0, 30.0),
        ("relativistic_average", -60.0, 60.0),
    ],
)
def test_no_factor_at_a_singular_logit(loss: str, f: float, r: float) -> None:
    fake = torch.full((4, 1), f, dtype=torch.float64)
    real = torch.full((4, 1), r, dtype=torch.float64)
    assert (
        gradient_ratio(LOSSES[loss](), DiscriminatorOutput([real], [[]]), DiscriminatorOutput([fake], [[]]))
        is None
    )
    regular = fake + 2.5 if loss != "hinge" else fake + 3.5
    if loss in ("hinge", "least_squares"):
        assert (
            gradient_ratio(
                LOSSES[loss](), DiscriminatorOutput([real], [[]]), DiscriminatorOutput([regular], [[]])
            )
            is not None
        )


def test_one_singular_sample_of_many_is_enough() -> None:
    fake = torch.tensor([[0.3], [-2.0], [0.1]])
    assert (
        gradient_ratio(
            LOSSES["hinge"](), DiscriminatorOutput([fake], [[]]), DiscriminatorOutput([fake], [[]])
        )
        is None
    )


def test_the_factor_s_formulas() -> None:
    f = torch.linspace(-0.9, 3, 7, dtype=torch.float64).reshape(-1, 1)
    output = DiscriminatorOutput([f], [[]])
    expected = {
        "minimax": torch.tensor(-1.0),
        "wasserstein": torch.tensor(-1.0),
        "hinge": -torch.ones(7),
        "least_squares": (f - 1).div(f).flatten(),
        "non_saturating": -torch.exp(-f).flatten(),
    }
    for loss, gamma in expected.items():
        got = gradient_ratio(LOSSES[loss](), output, output)
        assert got is not None
        torch.testing.assert_close(got.double(), gamma.double(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("penalty", ["r2", "lecam"])
def test_other_terms_in_the_fake_are_shared(penalty: str) -> None:
    torch.manual_seed(3)
    g, d = players.generator(), players.scalar()
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    for update, (a, b) in (("one_backward", (g, d)), ("shared", (twin_g, twin_d))):
        game = Game(players.Rules(a), a, b, LOSSES["wasserstein"](), penalties=[PENALTIES[penalty]()])
        UPDATES[update]()(game, data, 0, lambda p: None)
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12


@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
@pytest.mark.parametrize("weight", ["warmup", "adaptive"])
def test_penalties_on_the_real_and_weights_go_with_it(penalty: str, weight: str) -> None:
    torch.manual_seed(3)
    g, d = players.generator(), players.scalar()
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    logs = []
    for update, (a, b) in (("one_backward", (g, d)), ("shared", (twin_g, twin_d))):
        torch.manual_seed(5)
        game = Game(
            players.Rules(a),
            a,
            b,
            LOSSES["least_squares"](),
            WEIGHTS[weight](),
            penalties=[PENALTIES[penalty]()],
        )
        logs.append(UPDATES[update]()(game, data, 7, lambda p: None))
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12
    assert logs[0].keys() == logs[1].keys()
    for name, value in logs[0].items():
        torch.testing.assert_close(value, logs[1][name], rtol=1e-12, atol=1e-15)
