"""PSNR, SSIM and MAE against scikit-image and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ganatomy.metrics.similarity import HIGHEST_PSNR, mae, psnr, ssim


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    truth = rng.uniform(-100, 400, shape)
    return torch.from_numpy(truth + 60 * rng.standard_normal(shape)), torch.from_numpy(truth)


@pytest.mark.parametrize("data_range", [500.0, 4095.0])
def test_psnr_is_scikit_images(data_range: float) -> None:
    ours, truth = pair(3, 1, 20, 24)
    expected = peak_signal_noise_ratio(truth.numpy(), ours.numpy(), data_range=data_range)
    assert float(psnr(ours.float(), truth.float(), data_range)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sides", [(24, 31), (16, 13, 12)])
def test_ssim_is_scikit_images(sides: tuple[int, ...]) -> None:
    ours, truth = pair(2, 2, *sides)
    expected = [
        structural_similarity(
            truth[n, c].numpy(),
            ours[n, c].numpy(),
            data_range=500,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for n in range(2)
        for c in range(2)
    ]
    assert float(ssim(ours, truth, 500)) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0, 300.0, 1000.0])
@pytest.mark.parametrize("sides", [(24, 31), (14, 13, 12)])
def test_ssim_of_values_far_from_zero_is_scikit_images(sides: tuple[int, ...], offset: float) -> None:
    """Offsets are in data ranges; squared in float32, those of 100 ranges leave nothing of the image."""
    ours, truth = (image + offset * 500 for image in pair(1, 1, *sides))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(truth[0, 0].numpy(), ours[0, 0].numpy(), data_range=500, **options)
    assert float(ssim(ours, truth, 500)) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_a_large_volume_is_taken_in_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, truth = pair(2, 1, 30, 14, 12)
    whole = float(ssim(ours, truth, 500))
    for voxels in (1, 2 * 14 * 12, 2 * 14 * 12 * 7):
        monkeypatch.setattr("ganatomy.metrics.similarity.AT_ONCE", voxels)
        assert float(ssim(ours, truth, 500)) == pytest.approx(whole, abs=1e-12)


def test_closed_forms() -> None:
    truth = torch.rand(1, 1, 16, 16)
    assert float(psnr(truth + 0.1, truth, 1.0)) == pytest.approx(20, abs=1e-4)
    assert float(mae(truth * 3 + 7, truth * 3)) == pytest.approx(7, abs=1e-5)
    assert float(psnr(truth, truth, 1.0)) == HIGHEST_PSNR and float(ssim(truth, truth, 1.0)) == pytest.approx(
        1
    )


def test_all_pixels_of_a_volume_weigh_alike() -> None:
    """One bad slice of four: 6 dB above that slice alone, whatever the other three would have given."""
    truth = torch.zeros(4, 1, 8, 8)
    ours = truth.clone()
    ours[0] += 1
    assert float(psnr(ours, truth, 10.0)) == pytest.approx(20 + 10 * math.log10(4), abs=1e-6)


def test_units_cancel_when_the_range_goes_along() -> None:
    ours, truth = pair(1, 1, 16, 16)
    for score in (psnr, ssim):
        scaled = score(ours * 7 + 3, truth * 7 + 3, 3500.0)
        assert float(scaled) == pytest.approx(
            float(score(ours, truth, 500.0)), rel=0.1 if score is ssim else 1e-9
        )


def test_small_images_and_constant_truths() -> None:
    ours, truth = pair(1, 1, 8, 6)
    assert 0 < float(ssim(ours, truth, 500)) < 1
    line, other = pair(1, 1, 1, 16)  # a window of one pixel: its mean alone
    c1 = (0.01 * 500) ** 2
    expected = (2 * line * other + c1) / (line**2 + other**2 + c1)
    assert float(ssim(line, other, 500)) == pytest.approx(float(expected.mean()), abs=1e-12)
    for score in (psnr, ssim):
        with pytest.raises(ValueError, match="data_range: 0"):
            score(ours, truth, 0.0)
