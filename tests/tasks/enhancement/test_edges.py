"""The edge loss on ramps and steps."""

from __future__ import annotations

import pytest
import torch

from ganatomy.tasks.enhancement.edges import gradient_difference


@pytest.mark.parametrize("dims", [2, 3])
def test_a_ramp_has_its_slope_along_one_axis(dims: int) -> None:
    flat = torch.zeros(2, 1, *[6] * dims)
    ramp = flat + 3 * torch.arange(6.0)
    assert float(gradient_difference(ramp, flat)) == pytest.approx(3 / dims)
    assert float(gradient_difference(ramp + 5, ramp)) == pytest.approx(0, abs=1e-6)


def test_a_step_counts_once() -> None:
    step = torch.zeros(1, 1, 5, 5)
    step[..., 2:] = 4
    assert float(gradient_difference(step, torch.zeros_like(step))) == pytest.approx(4 / 4 / 2)
