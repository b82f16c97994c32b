"""Noise against the laws it is to follow."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.degradations.noise import Gaussian, Poisson, Rician, gaussian, poisson, rician
from ganatomy.errors import UserError

MANY = (1, 500, 500)
"""Of one value each: a mean over them is off by 0.002 standard deviations."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_gaussian_moments() -> None:
    noisy = gaussian(np.full(MANY, -2.0), 0.3, rng())
    assert noisy.mean() == pytest.approx(-2, abs=0.003)
    assert noisy.std() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("signal", [0.0, 0.2, 3.0])
def test_rician_moments(signal: float) -> None:
    """E m² = s² + 2σ²; E m is scipy's Rice law's; without signal σ√(π/2), Rayleigh's."""
    from scipy.stats import rice

    sigma = 0.4
    noisy = rician(np.full(MANY, signal), sigma, rng())
    assert (noisy**2).mean() == pytest.approx(signal**2 + 2 * sigma**2, rel=0.01)
    assert noisy.mean() == pytest.approx(rice(signal / sigma, scale=sigma).mean(), rel=0.005)
    assert noisy.std() == pytest.approx(rice(signal / sigma, scale=sigma).std(), rel=0.01)
    assert noisy.min() >= 0
    if signal == 0:
        assert noisy.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.005)


@pytest.mark.parametrize("signal", [0.0, 0.8, 3.0])
def test_rician_bias_is_taken_out_of_the_mean_square(signal: float) -> None:
    noisy = rician(np.full(MANY, signal), 0.4, rng())
    smooth = np.sqrt((noisy**2).mean(keepdims=True))
    assert Rician(0.4).unbias(smooth).item() == pytest.approx(signal, abs=0.03)
    assert Gaussian(0.4).unbias(smooth) is smooth


@pytest.mark.parametrize("signal", [0.1, 0.5, 2.0])
def test_poisson_mean_and_variance(signal: float) -> None:
    noisy = poisson(np.full(MANY, signal), 50, rng())
    assert noisy.mean() == pytest.approx(signal, rel=0.005)
    assert noisy.var() == pytest.approx(signal / 50, rel=0.01)
    np.testing.assert_allclose(noisy * 50, np.rint(noisy * 50), atol=1e-9)  # whole photons


def test_no_light_no_photons() -> None:
    assert not poisson(np.array([[0.0, -1.0]]), 50, rng()).any()


def test_noise_is_put_on_the_scanners_own_zero() -> None:
    """A z-scored image: where the scanner measured nothing, it goes on measuring no less than nothing."""
    offset, scale = 300.0, 200.0
    own = np.array([[[0.0, 300.0, 900.0]]]).repeat(200_000, 1)
    seen = ((own - offset) / scale).astype(np.float32)
    noisy = Rician(0.1)(seen, offset, scale, rng()) * scale + offset
    np.testing.assert_allclose((noisy**2).mean((0, 1)), own[0, 0] ** 2 + 2 * 20**2, rtol=0.01)
    photons = Poisson(40, zero=-1000.0)(seen, offset, scale, rng()) * scale + offset
    np.testing.assert_allclose(photons.mean((0, 1)), own[0, 0], atol=3)
    np.testing.assert_allclose(photons.var((0, 1)), (own[0, 0] + 1000) * scale / 40, rtol=0.02)


@pytest.mark.parametrize("degradation", [Gaussian(), Rician(), Poisson()])
def test_the_generator_decides(degradation: Gaussian) -> None:
    image = np.random.default_rng(1).random((2, 8, 8)).astype(np.float32)
    first, same, other = (degradation(image, 0, 1, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.dtype == np.float32 and first.shape == image.shape
    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_refused() -> None:
    for make in (Gaussian, Rician, Poisson):
        with pytest.raises(UserError, match=r"must be above 0"):
            make(0.0)
