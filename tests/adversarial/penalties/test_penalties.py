"""Penalties against closed forms, finite differences and singular values."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, Game, lazy_adam, size_rule
from ganatomy.adversarial.discriminator import DiscriminatorPass, rerun_in_float32, run_discriminator
from ganatomy.errors import UserError
from tests.adversarial import players


class Quadratic(nn.Module):
    """D(x) = ½ xᵀA x + bᵀx, whose gradient is A x + b for symmetric A."""

    def __init__(self, size: int = 5) -> None:
        super().__init__()
        a = torch.randn(size, size, dtype=torch.float64)
        self.a = nn.Parameter(a + a.T)
        self.b = nn.Parameter(torch.randn(size, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * (x @ self.a * x).sum(1, keepdim=True) + x @ self.b[:, None]


@pytest.fixture
def quadratic() -> Quadratic:
    torch.manual_seed(0)
    return Quadratic()


def run(d: nn.Module, seed: int, size: int = 5) -> DiscriminatorPass:
    chance = torch.Generator().manual_seed(seed)
    return run_discriminator(
        d, (torch.randn(7, size, dtype=torch.float64, generator=chance),), needs_input_gradient=True
    )


def test_r1_and_r2_equal_the_closed_form(quadratic: Quadratic) -> None:
    real, fake = run(quadratic, 1), run(quadratic, 2)
    for name, shown in (("r1", real), ("r2", fake)):
        expected = 1.5 * ((shown.inputs[0] @ quadratic.a + quadratic.b) ** 2).sum(1).mean()
        got = PENALTIES[name](gamma=3.0)(quadratic, real, fake, 0)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=0)


def test_gamma_falls_along_half_a_cosine(quadratic: Quadratic) -> None:
    real, fake = run(quadratic, 1), run(quadratic, 2)
    penalty = PENALTIES["r1"](gamma=3.0, final=0.1, steps=40, burn_in=0.5)
    whole = 1.5 * ((real.inputs[0] @ quadratic.a + quadratic.b) ** 2).sum(1).mean()
    for step, fraction in ((0, 1.0), (5, 0.1 + 0.9 * (1 + 0.5**0.5) / 2), (10, 0.55), (20, 0.1), (39, 0.1)):
        torch.testing.assert_close(penalty(quadratic, real, fake, step), fraction * whole, rtol=1e-12, atol=0)


def test_the_size_rule_of_its_paper() -> None:
    """0.0002 N / M."""
    assert size_rule(512 * 512, 64) == pytest.approx(0.8192)
    assert size_rule(1024 * 1024, 32) == pytest.approx(6.5536)


def test_gradient_penalty_equals_the_closed_form(quadratic: Quadratic) -> None:
    real, fake = run(quadratic, 1), run(quadratic, 2)
    torch.manual_seed(4)
    got = PENALTIES["gradient_penalty"](weight=10.0)(quadratic, real, fake, 0)
    torch.manual_seed(4)
    a = torch.rand(7, 1, dtype=torch.float64)
    between = a * real.inputs[0] + (1 - a) * fake.inputs[0]
    norms = (between @ quadratic.a + quadratic.b).norm(dim=1)
    torch.testing.assert_close(got, 10 * ((norms - 1) ** 2).mean(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty"])
def test_their_gradients_in_the_weights_equal_finite_differences(name: str) -> None:
    torch.manual_seed(0)
    d = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    weight = d[0].weight

    def value() -> Tensor:
        torch.manual_seed(1)
        return PENALTIES[name]()(d, run(d, 1), run(d, 2), 0)

    (gradient,) = torch.autograd.grad(value(), weight)
    step = torch.zeros_like(weight)
    for index in ((0, 0), (2, 3), (3, 1)):
        step.zero_()[index] = 1e-5
        weight.data.add_(step)
        up = value()
        weight.data.sub_(2 * step)
        down = value()
        weight.data.add_(step)
        assert float((up - down).detach() / 2e-5) == pytest.approx(float(gradient[index]), rel=1e-6)


def test_gradient_penalty_is_finite_where_the_gradient_is_zero() -> None:
    d = nn.Linear(3, 1)
    nn.init.zeros_(d.weight)
    passed = run_discriminator(d, (torch.randn(4, 3),))
    value = PENALTIES["gradient_penalty"](weight=10.0)(d, passed, passed, 0)
    assert float(value.detach()) == pytest.approx(10.0)
    value.backward()
    assert d.weight.grad is not None and d.weight.grad.isfinite().all()


def test_a_map_s_penalty_is_that_of_its_mean() -> None:
    torch.manual_seed(0)
    d = players.Patch().double()
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    one = nn.Sequential(copy.deepcopy(d), Last(), nn.Flatten()).double()
    a, b = (
        PENALTIES["r1"]()(
            net, run_discriminator(net, (x,), needs_input_gradient=True), run_discriminator(net, (x,)), 0
        )
        for net in (d, one)
    )
    torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


class Last(nn.Module):
    def forward(self, answer: list[Tensor]) -> Tensor:
        return answer[-1].mean((2, 3), keepdim=True)


def test_lecam_equals_its_formula_over_a_planted_sequence() -> None:
    d = nn.Identity()
    penalty = PENALTIES["lecam"](weight=2.0, decay=0.9)
    alpha_real = alpha_fake = None
    for step, (r, f) in enumerate([(1.0, -1.0), (3.0, 0.5), (-2.0, 0.0)]):
        reals = torch.tensor([[r - 0.5], [r + 0.5]], dtype=torch.float64)
        fakes = torch.tensor([[f - 1.0], [f + 1.0]], dtype=torch.float64)
        got = penalty(d, run_discriminator(d, (reals,)), run_discriminator(d, (fakes,)), step)
        alpha_real = r if alpha_real is None else 0.9 * alpha_real + 0.1 * r
        alpha_fake = f if alpha_fake is None else 0.9 * alpha_fake + 0.1 * f
        expected = ((reals - alpha_fake) ** 2).mean() + ((fakes - alpha_real) ** 2).mean()
        assert float(got) == pytest.approx(2.0 * float(expected), rel=1e-6)
    again = PENALTIES["lecam"]()
    again.load_state_dict(penalty.state_dict())
    assert float(again.real_mean) == pytest.approx(alpha_real, rel=1e-6)


def test_weight_clip_acts_after_each_of_d_s_steps() -> None:
    g, d = players.generator(), players.scalar()
    clip = PENALTIES["weight_clip"](limit=0.02)
    game = Game(players.Rules(g), g, d, LOSSES["wasserstein"](), penalties=[clip])

    def stepper(player: str) -> None:
        with torch.no_grad():
            for p in game.parameters(player):
                p.add_(1.0)

    UPDATES["shared"]()(game, players.batch(), 0, stepper)
    assert all(float(p.detach().max()) == pytest.approx(0.02) for p in d.parameters())
    assert all(float(p.detach().max()) > 0.5 for p in g.parameters())


def test_spectral_norm_brings_the_largest_singular_value_to_one() -> None:
    torch.manual_seed(0)
    g, d = players.generator(), players.scalar()
    Game(players.Rules(g), g, d, LOSSES["hinge"](), penalties=[PENALTIES["spectral_norm"]()])
    for _ in range(60):
        d(torch.randn(2, 2, 8, 8, dtype=torch.float64))
    layers = [layer for layer in d if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers:
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1.0, abs=1e-3)


def test_a_lazy_penalty_comes_every_k_th_step_k_times_as_heavy() -> None:
    torch.manual_seed(0)
    g, d = players.generator(), players.scalar()
    data = players.batch()
    logs = []
    for every in (1, 4):
        game = Game(
            players.Rules(g), g, d, LOSSES["hinge"](), penalties=[PENALTIES["r1"](gamma=2.0, every=every)]
        )
        logs.append([UPDATES["shared"]()(game, data, step, lambda player: None) for step in range(6)])
    eager, lazy = logs
    key = "loss/discriminator/r1"
    assert [key in log for log in lazy] == [True, False, False, False, True, False]
    torch.testing.assert_close(lazy[0][key], 4 * eager[0][key])


def test_lazy_adam_s_correction() -> None:
    assert lazy_adam(2e-3, (0.0, 0.99), 1) == (2e-3, (0.0, 0.99))
    lr, betas = lazy_adam(2e-3, (0.5, 0.99), 16)
    assert lr == pytest.approx(2e-3 * 16 / 17)
    assert betas == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))


@pytest.mark.parametrize("join", [False, True])
def test_input_gradients_are_taken_in_float32_under_autocast(join: bool) -> None:
    torch.manual_seed(0)
    d = players.MultiScale()
    x, y = torch.randn(4, 2, 8, 8), torch.randn(3, 2, 8, 8)
    exact = [run_discriminator(d, (z,), needs_input_gradient=True).input_gradient() for z in (x, y)]
    (expected,) = torch.autograd.grad(sum(s.square().sum() for s in exact), d.scales[0].layers[0].weight)
    with torch.autocast("cpu", torch.bfloat16):
        rough = [run_discriminator(d, (z,), needs_input_gradient=True) for z in (x, y)]
        again = rerun_in_float32(d, rough, join)
    for found, gradient in zip(again, exact, strict=True):
        assert found.input_gradient().dtype == torch.float32
        torch.testing.assert_close(found.input_gradient(), gradient, rtol=1e-5, atol=1e-8)
    (got,) = torch.autograd.grad(
        sum(s.input_gradient().square().sum() for s in again), d.scales[0].layers[0].weight
    )
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-9)
    assert not torch.allclose(rough[0].input_gradient(), exact[0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty"])
def test_a_penalty_s_gradient_is_float32_under_autocast(name: str) -> None:
    torch.manual_seed(0)
    g, d = players.generator().float(), players.Patch()
    data = {key: value.float() for key, value in players.batch().items()}
    gradients = []
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            game = Game(Still(g), g, d, Silent(), penalties=[PENALTIES[name]()])
            torch.manual_seed(1)
            UPDATES["shared"]()(game, data, 0, lambda player: None)
        gradients.append(players.gradients(d))
        d.zero_grad()
    assert players.furthest(*gradients) < 1e-5


class Silent(LOSSES["wasserstein"]):  # type: ignore[misc]
    """An adversarial loss of zero, so that the penalty's gradient stands alone."""

    def discriminator(self, real: object, fake: object) -> Tensor:
        return 0.0 * super().discriminator(real, fake)


class Still(players.Rules):
    """D is shown fakes that owe nothing to G's precision."""

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        image, target = batch["image"], batch["target"]
        return torch.cat([image, target], 1), torch.cat([target, image], 1) + 0 * output.float()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("r1", {"gamma": -1.0}),
        ("r2", {"every": 0}),
        ("r1", {"final": -0.1}),
        ("r1", {"steps": 0, "final": 0.1}),
        ("r2", {"burn_in": 0.0}),
        ("gradient_penalty", {"weight": -1.0}),
        ("weight_clip", {"limit": 0.0}),
        ("spectral_norm", {"iterations": 0}),
        ("lecam", {"decay": 1.0}),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, arguments: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"penalties.{name}.{next(iter(arguments))}"):
        PENALTIES[name](**arguments)
