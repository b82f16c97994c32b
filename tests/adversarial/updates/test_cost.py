"""Floating-point operations of an update, in units of each network's forward pass."""

from __future__ import annotations

import pytest
import torch

from benchmarks.flops import costs
from ganatomy.adversarial import PENALTIES, plan
from ganatomy.adversarial.updates.planner import Cost
from tests.adversarial import players


@pytest.mark.parametrize(
    ("update", "loss", "penalties", "expected"),
    [
        ("shared", "hinge", (), (3, 7)),
        ("textbook", "hinge", (), (3, 8)),
        ("g_first", "hinge", (), (3, 8)),
        ("g_first", "relativistic_paired", (), (3, 9)),
        ("textbook", "relativistic_paired", (), (3, 9)),
        ("shared", "relativistic_paired", (), (3, 7)),
        ("one_backward", "wasserstein", (), (3, 6)),
        ("shared", "hinge", ("r1",), (3, 10)),
        ("shared", "hinge", ("r1", "r2"), (3, 13)),
        ("shared", "hinge", ("gradient_penalty",), (3, 13)),
        ("one_backward", "wasserstein", ("gradient_penalty",), (3, 12)),
    ],
)
def test_flops_are_what_the_plan_says(
    update: str, loss: str, penalties: tuple[str, ...], expected: tuple[int, int]
) -> None:
    measured = costs(update, loss, penalties)
    assert measured.generator_forwards == pytest.approx(expected[0], abs=0.1)
    assert measured.discriminator_forwards == pytest.approx(expected[1], abs=0.15)
    assert measured.said == Cost(*expected)


def test_the_average_over_critic_turns_and_lazy_penalties() -> None:
    torch.manual_seed(0)
    from tests.adversarial.test_state import game_of

    game = game_of(players.scalar(), penalties=[PENALTIES["r1"](every=16)])
    cost = plan(game, "shared", n_critic=5).cost
    assert cost.generator_forwards == pytest.approx((3 + 4) / 5)
    assert cost.discriminator_forwards == pytest.approx((7 + 4 * 6) / 5 + 3 / 16)
    assert "1.4 F_G" in str(cost)
