"""Sliced Wasserstein, kernel distance, density, coverage and MS-SSIM against brute force and references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.ndimage import convolve
from scipy.signal import fftconvolve
from scipy.stats import wasserstein_distance
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from ganatomy.metrics.synthesis import distance
from ganatomy.metrics.synthesis.checkerboard import checkerboard_index
from ganatomy.metrics.synthesis.coverage import density_and_coverage
from ganatomy.metrics.synthesis.distance import descriptor_places, directions, sliced_wasserstein
from ganatomy.metrics.synthesis.features import RandomConvolutions
from ganatomy.metrics.synthesis.kernel import kernel_distance
from ganatomy.metrics.synthesis.pyramid import laplacian_pyramid, level_sides
from ganatomy.metrics.synthesis.variety import ms_ssim, pair_similarity
from tests.metrics.synthesis.anatomy import anatomies


def pyramid_by_scipy(image: np.ndarray) -> list[np.ndarray]:
    taps = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(taps, taps)
    levels = [image.astype(np.float64)]
    while -(-min(levels[-1].shape) // 2) >= 14:
        coarse = convolve(levels[-1], kernel, mode="mirror")[::2, ::2]
        spread = np.zeros_like(levels[-1])
        spread[::2, ::2] = coarse
        levels[-1] = levels[-1] - 4 * convolve(spread, kernel, mode="mirror")
        levels.append(coarse)
    return levels


@pytest.mark.parametrize("sides", [(32, 32), (57, 31)])
def test_pyramid_is_burt_and_adelsons(sides: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    levels = laplacian_pyramid(images)
    assert [tuple(level.shape[2:]) for level in levels] == level_sides(*sides)
    for n in range(2):
        for c in range(3):
            expected = pyramid_by_scipy(images[n, c].numpy())
            for level, truth in zip(levels, expected, strict=True):
                np.testing.assert_allclose(level[n, c], truth, atol=1e-5)


def test_sliced_wasserstein_by_brute_force() -> None:
    """One descriptor, one direction at a time, with scipy's pyramid and scipy's distance."""
    fake, real = anatomies(6, 30, seed=1) * 1.2, anatomies(6, 30, seed=2)
    found = sliced_wasserstein(fake.repeat(1, 2, 1, 1), real.repeat(1, 2, 1, 1), seed=3)
    places = descriptor_places(6, 30, 30, seed=3)
    for level, (height, value) in enumerate(found.items()):
        sets = []
        for images in (fake, real):
            rows = []
            for n in range(6):
                picture = pyramid_by_scipy(images[n, 0].numpy())[level]
                assert len(picture) == height
                rows += [picture[y : y + 7, x : x + 7].ravel() for y, x in places[level][n].tolist()]
            sets.append(np.stack([np.concatenate([row, row]) for row in rows]))
        mean, deviation = sets[1].mean(), sets[1][:, :49].std(ddof=1)
        ours, theirs = ((rows - mean) / deviation for rows in sets)
        each = [wasserstein_distance(ours @ d, theirs @ d) for d in directions(98, 3).numpy().T]
        assert value == pytest.approx(1000 * np.mean(each), rel=1e-3)


def test_sliced_wasserstein_has_the_real_sets_units() -> None:
    fake, real = anatomies(20, seed=1), anatomies(20, seed=2)
    expected = sliced_wasserstein(fake, real)
    assert sliced_wasserstein(fake * 4000 - 1000, real * 4000 - 1000) == pytest.approx(expected, rel=1e-3)
    assert set(sliced_wasserstein(real, real).values()) == {0.0}
    with pytest.raises(ValueError, match="as many images"):
        sliced_wasserstein(fake[:3], real)


def test_the_sets_size_does_not_change_how_much_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "DESCRIPTORS", 100)
    assert [len(level) * level.shape[1] for level in descriptor_places(20, 32, 32, 0)] == [100, 100]


class Passed(nn.Module):
    """Features that were computed before."""

    num_features = 24

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_kernel_distance_is_torchmetrics() -> None:
    draw = torch.Generator().manual_seed(0)
    fake, real = (torch.randn(700, 24, generator=draw, dtype=torch.float64) + shift for shift in (0.3, 0.0))
    reference = KernelInceptionDistance(feature=Passed(), subsets=1, subset_size=700)
    reference.fake_features.append(fake)
    reference.real_features.append(real)
    assert kernel_distance(fake, real) == pytest.approx(float(reference.compute()[0]), rel=1e-9)


def test_kernel_distance_is_unbiased() -> None:
    """Around 0, on both sides of it, between samples of one distribution, of any sizes."""
    draw = torch.Generator().manual_seed(1)
    found = [
        kernel_distance(torch.randn(40, 8, generator=draw), torch.randn(60, 8, generator=draw))
        for _ in range(60)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60) and min(found) < 0 < max(found)
    assert np.isnan(kernel_distance(torch.randn(1, 8), torch.randn(5, 8)))


def test_features_are_fixed_and_in_the_real_sets_units() -> None:
    real, fake = anatomies(40, 48, seed=0), anatomies(40, 48, seed=1)
    features = RandomConvolutions(real)(fake)
    assert torch.equal(RandomConvolutions(real)(fake), features)
    assert torch.equal(RandomConvolutions(real).of_real, RandomConvolutions(real)(real))
    torch.testing.assert_close(
        RandomConvolutions(real * 900 + 50)(fake * 900 + 50), features, atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(RandomConvolutions(real)(real).mean(0), torch.zeros(1792), atol=1e-4, rtol=0)
    assert features.shape == (40, RandomConvolutions(real).num_features)


@pytest.mark.parametrize("sizes", [(40, 40), (25, 60)])
def test_density_and_coverage_point_by_point(sizes: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    fake, real = draw.normal(0.4, 1, (sizes[0], 3)), draw.normal(0, 1, (sizes[1], 3))
    held, reached = 0, 0
    for centre in real:
        radius = sorted(np.linalg.norm(real - centre, axis=1))[5]
        inside = [np.linalg.norm(point - centre) < radius for point in fake]
        held, reached = held + sum(inside), reached + any(inside)
    found = density_and_coverage(torch.from_numpy(fake), torch.from_numpy(real))
    assert found == pytest.approx((held / (5 * sizes[0]), reached / sizes[1]))
    assert np.isnan(density_and_coverage(torch.zeros(4, 2), torch.zeros(5, 2))).all()


def test_density_and_coverage_are_the_authors() -> None:
    draw = np.random.default_rng(1)
    fake, real = draw.normal(0.2, 0.8, (70, 6)), draw.normal(0, 1, (90, 6))
    theirs = compute_prdc(real_features=real, fake_features=fake, nearest_k=5)
    found = density_and_coverage(torch.from_numpy(fake), torch.from_numpy(real))
    assert found == pytest.approx((theirs["density"], theirs["coverage"]))


def test_coverage_of_the_same_distribution_is_known() -> None:
    """1 - ((n - 1) ... (n - k)) / ((2n - 1) ... (2n - k)), Naeem et al., eq. 8; the density is 1."""
    draw, n, k = torch.Generator().manual_seed(0), 500, 5
    scores = [
        density_and_coverage(torch.randn(n, 6, generator=draw), torch.randn(n, 6, generator=draw))
        for _ in range(4)
    ]
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    assert np.mean(scores, 0) == pytest.approx((1.0, expected), abs=0.02)


def ms_ssim_by_hand(a: np.ndarray, b: np.ndarray, data_range: float, scales: int) -> float:
    """Wang et al. 2003, eq. 7, with the moments under an explicit window of 11 pixels."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    exponents = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    product, (c1, c2) = 1.0, ((k * data_range) ** 2 for k in (0.01, 0.03))
    for scale, exponent in enumerate(exponents / exponents.sum()):
        means = [fftconvolve(x, window, "valid") for x in (a, b, a * a, b * b, a * b)]
        structure = 2 * (means[4] - means[0] * means[1]) + c2
        structure /= means[2] - means[0] ** 2 + means[3] - means[1] ** 2 + c2
        luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
        term = (luminance * structure if scale == scales - 1 else structure).mean()
        product *= max(term, 0) ** exponent
        if scale < scales - 1:
            a, b = (x.reshape(len(x) // 2, 2, -1, 2).mean((1, 3)) for x in (a, b))
    return float(product)


@pytest.mark.parametrize("side, scales", [(176, 5), (64, 3), (32, 2)])
def test_ms_ssim_by_hand(side: int, scales: int) -> None:
    a = anatomies(3, side, seed=0)
    b = 0.7 * a + 0.3 * anatomies(3, side, seed=1)
    expected = [
        ms_ssim_by_hand(x[0].double().numpy(), y[0].double().numpy(), 2.0, scales)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(ms_ssim(a, b, 2.0), expected, atol=1e-6)


@pytest.mark.parametrize("offset", [100.0, 1000.0])
def test_ms_ssim_of_values_far_from_zero_keeps_its_contrast(offset: float) -> None:
    """Contrast and structure know no offset: of two scales the first is as before, the second nears it."""
    a = anatomies(2, 32, seed=0).double()
    b = 0.7 * a + 0.3 * anatomies(2, 32, seed=1)
    expected = [
        ms_ssim_by_hand(x[0].numpy(), y[0].numpy(), 2.0, 2)
        for x, y in zip(a + offset, b + offset, strict=True)
    ]
    np.testing.assert_allclose(ms_ssim(a + offset, b + offset, 2.0), expected, atol=1e-6)
    assert float(ms_ssim(torch.rand(1, 1, 1, 16), torch.rand(1, 1, 1, 16), 1.0)) <= 1


def test_pairs_of_one_image_are_alike_and_of_noise_are_not() -> None:
    image = anatomies(1, 32)
    assert pair_similarity(image.expand(8, -1, -1, -1), 1.0) == pytest.approx(1)
    assert pair_similarity(torch.rand(8, 1, 32, 32), 1.0) < 0.1
    assert np.isnan(pair_similarity(image, 1.0))


@pytest.mark.parametrize("period, axes", [(2, (0,)), (2, (0, 1)), (4, (1,))])
def test_a_planted_checkerboard_has_its_closed_form(period: int, axes: tuple[int, ...]) -> None:
    """A cosine of amplitude a in white noise: 1 + (a Σw)² / (σ² Σw²), over 4 for a cosine with two lines."""
    draw, side, amplitude, sigma = torch.Generator().manual_seed(0), 48, 0.2, 0.5
    noise = sigma * torch.randn(400, 1, side, side, generator=draw, dtype=torch.float64)
    assert checkerboard_index(noise) == pytest.approx(1, abs=0.25)
    wave = torch.ones(side, side, dtype=torch.float64)
    for axis in axes:
        steps = torch.cos(2 * torch.pi * torch.arange(side, dtype=torch.float64) / period)
        wave = wave * (steps[:, None] if axis == 0 else steps)
    window = torch.hann_window(side, dtype=torch.float64)
    window = window[:, None] * window
    strength = (amplitude * window.sum()) ** 2 / window.square().sum() / sigma**2
    expected = 1 + float(strength) / (1 if period == 2 else 4)
    assert checkerboard_index(noise + amplitude * wave) == pytest.approx(expected, rel=0.25)


def test_the_index_of_small_or_constant_images_is_no_number() -> None:
    assert np.isnan(checkerboard_index(torch.rand(3, 1, 20, 40)))
    assert np.isnan(checkerboard_index(torch.ones(3, 1, 32, 32)))


@pytest.mark.parametrize("score", [kernel_distance, density_and_coverage])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(score: Any, bad: float) -> None:
    """A NaN is within no ball, and would count as an image that is merely far away."""
    fake, real = torch.randn(8, 3), torch.randn(8, 3)
    fake[2, 1] = bad
    with pytest.raises(ValueError, match="1 of 24 values are not finite"):
        score(fake, real)
    with pytest.raises(ValueError, match="1 of 512 values are not finite"):
        images = torch.zeros(2, 1, 16, 16)
        images[0, 0, 0, 0] = bad
        sliced_wasserstein(images, torch.randn(2, 1, 16, 16))
