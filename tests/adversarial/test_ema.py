"""The generator's average against its recursion."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganatomy.adversarial import Ema
from ganatomy.errors import UserError


def generator() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def wander(g: nn.Module) -> None:
    with torch.no_grad():
        for p in g.parameters():
            p.add_(torch.randn_like(p))
    g(torch.randn(8, 3))


def test_its_half_life_rises_along_half_a_cosine() -> None:
    ema = Ema(generator(), half_life=100, burn_in=400)
    for images, half_life in (
        (0, 0.0),
        (100, 100 * (1 - 0.5**0.5) / 2),
        (200, 50.0),
        (400, 100.0),
        (999, 100.0),
    ):
        ema.images = images
        assert ema.decay(8) == pytest.approx(0.5 ** (8 / half_life) if half_life else 0.0)


def test_follows_its_recursion_with_the_warm_up() -> None:
    g = generator()
    ema = Ema(g, half_life=100, warm_up=0.5)
    expected = [p.detach().clone() for p in g.parameters()]
    images = 0
    for _ in range(40):
        wander(g)
        ema.update(10)
        half_life = min(100, 0.5 * images)
        beta = 0.5 ** (10 / half_life) if half_life else 0.0
        expected = [beta * e + (1 - beta) * p.detach() for e, p in zip(expected, g.parameters(), strict=True)]
        images += 10
    for average, reference in zip(ema.module.parameters(), expected, strict=True):
        torch.testing.assert_close(average, reference, rtol=1e-5, atol=1e-6)


def test_half_of_a_change_is_left_after_a_half_life() -> None:
    g = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(g.weight)
    ema = Ema(g, half_life=60, warm_up=float("inf"))
    ema.update(5)
    nn.init.ones_(g.weight)
    for _ in range(12):
        ema.update(5)
    assert float(ema.module.weight) == pytest.approx(0.5, abs=1e-6)


def test_buffers_are_copied_and_the_average_is_frozen() -> None:
    g = generator()
    ema = Ema(g)
    wander(g)
    ema.update(8)
    for average, reference in zip(ema.module.buffers(), g.buffers(), strict=True):
        assert torch.equal(average, reference)
    ema.train()
    assert not any(module.training for module in ema.modules())
    assert not any(p.requires_grad for p in ema.parameters())
    assert sum(1 for _ in ema.children()) == 1


def test_a_checkpoint_goes_on_exactly() -> None:
    g = generator()
    ema = Ema(g, half_life=50)
    for _ in range(3):
        wander(g)
        ema.update(7)
    again = Ema(g, half_life=50)
    again.load_state_dict(ema.state_dict())
    wander(g)
    for one in (ema, again):
        one.update(7)
    for average, reference in zip(ema.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(average, reference)
    assert again.images == 28


def test_impossible_values_are_refused() -> None:
    for arguments in ({"half_life": 0}, {"warm_up": 0}):
        with pytest.raises(UserError, match=f"ema.{next(iter(arguments))}"):
            Ema(generator(), **arguments)
