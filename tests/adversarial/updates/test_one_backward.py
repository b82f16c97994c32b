"""One backward pass for both players: equal to the G-first step where it is exact, aside where it is not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import (
    AUGMENTS,
    LOSSES,
    PENALTIES,
    UPDATES,
    WEIGHTS,
    DiscriminatorOutput,
    Game,
    plan,
)
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.adversarial.updates.one_backward import gradient_ratio
from ganatomy.adversarial.updates.orders import Shared
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


def played(update: str, augment: str, penalty: str, steps: int = 20) -> list[Tensor]:
    """Weights of both players after some steps of Adam, with augmentation, R1 and another penalty, lazily."""
    torch.manual_seed(3)
    g, d = players.generator(), players.scalar()
    game = Game(
        players.Rules(g),
        g,
        d,
        LOSSES["relativistic_paired"](),
        Fixed(0.3),
        penalties=[
            PENALTIES["r1"](every=4),
            PENALTIES[penalty](every=4),
            PENALTIES["gradient_penalty"](every=3),
        ],
        augment=AUGMENTS[augment]().double(),
    )
    adam = {name: torch.optim.Adam(game.parameters(name), 1e-3) for name in ("generator", "discriminator")}

    def stepper(player: str) -> None:
        adam[player].step()
        adam[player].zero_grad()

    for step in range(steps):
        torch.manual_seed(100 + step)
        UPDATES[update]()(game, players.batch(seed=step), step, stepper)
    return [p.detach() for player in adam for p in game.parameters(player)]


@pytest.mark.parametrize("penalty", ["r2", "lecam"])
@pytest.mark.parametrize("augment", ["diffaugment", "ada"])
def test_the_same_run_as_shared_with_augmentation_and_penalties_that_rest(augment: str, penalty: str) -> None:
    one, other = (played(update, augment, penalty) for update in ("one_backward", "shared"))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


class Drawing(players.Rules):
    """Rules whose task loss draws too, as path length regularisation does."""

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        return {"drawn": (output * torch.randn_like(output)).mean()}


def test_a_task_loss_that_draws_does_so_in_the_order_of_shared() -> None:
    found = []
    for update in ("one_backward", "shared"):
        torch.manual_seed(3)
        g, d = players.generator(), players.scalar()
        penalties = [PENALTIES["gradient_penalty"]()]
        game = Game(Drawing(g), g, d, LOSSES["least_squares"](), Fixed(0.3), penalties=penalties)
        UPDATES[update]()(game, players.batch(), 0, lambda p: None)
        found.append(players.gradients(g, d))
    assert players.furthest(*found) < 1e-12


@pytest.mark.parametrize(
    ("every", "n_critic", "shares"),
    [((1,), 1, 1), ((4,), 1, 1 / 4), ((2, 3), 1, 2 / 3), ((4,), 2, 0), ((3,), 2, 1 / 3), ((1,), 5, 1)],
)
def test_the_plan_counts_the_batches_that_are_shared(
    every: tuple[int, ...], n_critic: int, shares: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    g, d = players.generator(), players.scalar()
    penalties = [PENALTIES["r2"](every=each) for each in every]
    game = Game(players.Rules(g), g, d, LOSSES["wasserstein"](), penalties=penalties)
    chosen = plan(game, "auto", n_critic)
    shared = plan(game, "shared", n_critic)
    assert chosen.name == ("shared" if shares == 1 else "one_backward")
    saved = shared.cost.discriminator_forwards - chosen.cost.discriminator_forwards
    assert saved == pytest.approx((1 - shares) / n_critic)
    assert chosen.cost.generator_forwards == shared.cost.generator_forwards
    assert ("those with r2" in chosen.reason) == (0 < shares < 1)
    calls = []
    monkeypatch.setattr(Shared, "both", lambda *_: calls.append(1))
    if chosen.name == "one_backward":
        for step in range(12 * n_critic):
            chosen.update(game, players.batch(2), step, lambda p: None)
        assert len(calls) == pytest.approx(12 * shares)
