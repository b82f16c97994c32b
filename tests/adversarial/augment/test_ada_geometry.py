"""ADA's changes between voxels: the wavelet's own equations, waves and blobs whose answers are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganatomy.adversarial.augment.ada import Ada
from ganatomy.adversarial.augment.low_pass import SYM6, doubled, halved


def test_the_filter_solves_the_equations_of_its_wavelet() -> None:
    """Sum √2, orthogonal to its even shifts, and six vanishing moments (Daubechies 1992, chapter 8)."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    assert float(taps.sum()) == pytest.approx(2**0.5, abs=1e-11)
    products = [float((taps[2 * shift :] * taps[: 12 - 2 * shift]).sum()) for shift in range(6)]
    assert products == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-11)
    place = torch.arange(12, dtype=torch.float64)
    for moment in range(6):
        assert abs(float(((-1) ** place * (place - 5.5) ** moment * taps).sum())) < 1e-7


@pytest.mark.parametrize("shape", [(2, 3, 24, 32), (1, 1, 18, 20, 22)])
def test_halving_undoes_doubling(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    fine = doubled(x)
    assert fine.shape[2:] == tuple(2 * side for side in shape[2:])
    inside = (..., *[slice(6, -6)] * (len(shape) - 2))
    torch.testing.assert_close(halved(fine)[inside], x[inside], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(doubled(torch.ones_like(x)), torch.ones_like(fine), rtol=1e-9, atol=1e-9)


def test_a_wave_keeps_its_height_where_linear_interpolation_lowers_it() -> None:
    """cos(2π 0.3 x) between voxels: their mean loses up to 1 - cos(0.3 π) = 41 %, of half the side 11 %."""
    wave = torch.cos(0.6 * torch.pi * torch.arange(64, dtype=torch.float64)).expand(200, 1, 64, 64)
    heights = {}
    for filtered in (True, False):
        torch.manual_seed(0)
        moved = Ada(["fraction"], start=1.0, filtered=filtered)((wave,))[0]
        heights[filtered] = (2 * moved[:, 0, 24:40, 22:42].square().mean((1, 2))).sqrt()
    assert float(heights[True].min()) > 0.86
    assert float(heights[False].min()) < 0.65


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centre (x, y) and the variances along x and y of each blob."""
    place = torch.arange(x.shape[-1], dtype=x.dtype) - (x.shape[-1] - 1) / 2
    parts = [x[:, 0].sum(axis) / x.sum((1, 2, 3))[:, None] for axis in (1, 2)]
    centre = torch.stack([(part * place).sum(1) for part in parts], 1)
    return centre, torch.stack([(part * place**2).sum(1) for part in parts], 1) - centre**2


@pytest.fixture(scope="module")
def blobs() -> Tensor:
    place = torch.arange(64, dtype=torch.float64) - 31.5
    row = torch.exp(-(place**2) / (2 * 4.0**2))
    return torch.outer(row, row).expand(400, 1, 64, 64)


def test_stretching_keeps_the_area(blobs: Tensor) -> None:
    """One axis by s, the other by 1/s with log₂ s of deviation 0.2."""
    torch.manual_seed(0)
    centre, variances = moments(Ada(["stretch"], start=1.0, filtered=True)((blobs,))[0])
    assert float(centre.abs().max()) < 0.2, "the wavelet is nearly symmetric"
    torch.testing.assert_close(
        variances.prod(1), torch.full((400,), 256.0, dtype=torch.float64), rtol=0.02, atol=0
    )
    logs = (variances[:, 0] / variances[:, 1]).log2() / 4
    assert float(logs.std()) == pytest.approx(0.2, abs=0.02)


def test_fractional_shifts_have_an_eighth_of_a_side_as_deviation(blobs: Tensor) -> None:
    torch.manual_seed(0)
    centre, _ = moments(Ada(["fraction"], start=1.0, filtered=True)((blobs,))[0])
    near = centre.abs() < 16  # where the whole blob is in the image
    assert float((centre[near] - centre[near].round()).abs().mean()) == pytest.approx(0.25, abs=0.03)
    share = torch.special.erf(torch.tensor(2 / 2**0.5))
    assert float(near.double().mean()) == pytest.approx(float(share), abs=0.03)


@pytest.mark.parametrize("p", [0.3, 0.9])
def test_one_of_two_turns_happens_with_probability_p(p: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(4000, 1, 6, 6)
    changed = (Ada(["rotations"], start=p)((x,))[0] != x).flatten(1).any(1)
    assert float(changed.double().mean()) == pytest.approx(p, abs=0.03)


@pytest.mark.parametrize("shape", [(3, 2, 12, 16), (2, 1, 6, 8, 10)])
def test_nothing_happens_at_p_zero_and_gradients_flow_at_one(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    policy = ["scale", "rotations", "stretch", "fraction"]
    assert torch.equal(Ada(policy, filtered=True)((x,))[0], x)
    changed = Ada(policy, start=1.0, filtered=True)((x,))[0]
    (slope,) = torch.autograd.grad(changed.square().sum(), x)
    assert changed.shape == x.shape and slope.isfinite().all() and slope.any()
