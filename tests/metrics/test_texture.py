"""Texture scores against planted noise, sinusoids and edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from ganatomy.metrics.texture import (
    TILE,
    edge_gradient_ratio,
    flat_deviation_ratio,
    flat_tiles,
    high_frequency_ratio,
    noise_power_distance,
    radial_spectrum,
    tiles,
)

RATIOS = (flat_deviation_ratio, high_frequency_ratio, edge_gradient_ratio)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("sides", [(64, 72), (24, 32, 16)])
def test_the_truth_is_like_itself_and_scaling_counts(sides: tuple[int, ...]) -> None:
    truth = gaussian_filter(noise(2, 1, *sides), 1) + noise(2, 1, *sides) * 0.1
    for ratio, power in zip(RATIOS, (1, 2, 1), strict=True):
        assert ratio(truth, truth) == pytest.approx(1)
        assert ratio(truth * 3 + 5, truth) == pytest.approx(3**power, rel=1e-6)
    assert noise_power_distance(truth, truth) == pytest.approx(0, abs=1e-9)
    assert noise_power_distance(truth * 10, truth) == pytest.approx(20, abs=1e-6)
    assert noise_power_distance(truth, truth * 10) == pytest.approx(20, abs=1e-6)


def test_spectrum_of_white_noise_is_flat_and_has_its_power() -> None:
    """The periodogram of white noise is σ² Σ hann², whatever the frequency; its mean taken out, almost."""
    spectrum = radial_spectrum(2 * noise(20_000, TILE, TILE))
    window = np.outer(*2 * [np.hanning(TILE + 2)[1:-1]])
    expected = 4 * (window**2).sum()
    np.testing.assert_allclose(spectrum[1:], expected, rtol=0.03)
    assert 0.8 * expected < spectrum[0] < 1.02 * expected


@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_a_wave_has_its_power_at_its_frequency(cycles: int) -> None:
    wave = np.broadcast_to(np.cos(2 * np.pi * cycles * np.arange(TILE) / TILE), (5, TILE, TILE))
    assert radial_spectrum(wave).argmax() == cycles - 1


def test_smoothing_shows_in_the_high_frequencies_of_the_noise() -> None:
    truth = noise(1, 1, 256, 256)
    smooth = gaussian_filter(truth, 0.8, axes=(2, 3))
    ours, theirs = (radial_spectrum(tiles(image)) for image in (smooth, truth))
    assert (np.diff(ours / theirs) < 0).all() and (ours / theirs)[0] > 0.4
    assert noise_power_distance(smooth, truth) > 5


@pytest.mark.parametrize("frequency, expected", [(0.35, 4.0), (0.1, 1.0)])
def test_only_fine_detail_is_high_frequency(frequency: float, expected: float) -> None:
    x = np.arange(128)
    wave = np.broadcast_to(np.sin(2 * np.pi * frequency * x), (1, 1, 128, 128))
    fine = np.broadcast_to(np.sin(2 * np.pi * 0.35 * x)[:, None], (1, 1, 128, 128))
    other = wave if frequency == 0.35 else fine + wave
    assert high_frequency_ratio(other * (2 if frequency == 0.35 else 1), fine if expected == 1 else wave) == (
        pytest.approx(expected, rel=1e-3)
    )


def test_noise_is_measured_where_the_truth_is_flat_and_lit() -> None:
    """Left dark, middle flat, right structured: only the middle's noise counts."""
    truth = np.zeros((1, 1, 96, 96))
    truth[..., 32:64] = 100
    truth[..., 64:] = 100 + 40 * gaussian_filter(noise(96, 32), 2)
    flat = flat_tiles(truth).reshape(12, 12)
    assert flat[1:-1, 5:7].any() and not flat[:, :3].any() and not flat[:, 9:].any()
    planted = truth + noise(1, 1, 96, 96, seed=1) * 3
    again = truth + noise(1, 1, 96, 96, seed=2) * 6
    again[..., :28] += 50 * noise(1, 1, 96, 28, seed=3)
    again[..., 76:] += 50 * noise(1, 1, 96, 20, seed=4)
    assert flat_deviation_ratio(again, planted) == pytest.approx(2, rel=0.15)


def test_an_edge_is_as_steep_as_its_blur_allows() -> None:
    """The slope in the middle of an edge of Gaussian width s goes with 1 / s; noise does not change it."""
    x = np.arange(256) - 127.5

    def edge(width: float) -> np.ndarray:
        return np.broadcast_to(erf(x / width / np.sqrt(2)), (1, 1, 64, 256))

    sharp = edge(10)
    assert edge_gradient_ratio(edge(20), sharp, share=0.02) == pytest.approx(0.5, rel=0.02)
    noisy = edge(20) + 0.05 * noise(1, 1, 64, 256)
    assert edge_gradient_ratio(noisy, sharp, share=0.02) == pytest.approx(0.5, rel=0.1)


def test_tiles_are_cut_in_place() -> None:
    image = np.arange(2 * 17 * 24).reshape(1, 2, 17, 24)
    cut = tiles(image)
    assert cut.shape == (2 * 2 * 3, TILE, TILE)
    np.testing.assert_array_equal(cut[5], image[0, 0, 8:16, 16:24])
    volume = np.arange(8 * 16 * 8).reshape(1, 1, 8, 16, 8)
    np.testing.assert_array_equal(tiles(volume)[1], volume[0, 0, :, 8:])


def test_images_smaller_than_a_tile_have_no_noise_to_measure() -> None:
    small = noise(1, 1, 6, 6)
    assert np.isnan(flat_deviation_ratio(small, small)) and np.isnan(noise_power_distance(small, small))
