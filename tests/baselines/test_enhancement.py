"""The classical filters: chosen by error, in any dimension, and bicubic as torch has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.data import camera
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from ganatomy.baselines import enhancement
from ganatomy.baselines.enhancement import STRENGTHS, bicubic, chosen, gaussian, nlm, tv


def pair(*sides: int, sigma: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.standard_normal((1, *sides)), 4) * 10
    return (truth + sigma * rng.standard_normal(truth.shape)).astype(np.float32), truth.astype(np.float32)


@pytest.mark.parametrize("sides", [(40, 36), (12, 14, 16)])
def test_the_strength_of_least_error_is_chosen(sides: tuple[int, ...]) -> None:
    noisy, truth = pair(*sides)
    noise = np.sqrt(((noisy - truth) ** 2).mean())
    filters = chosen([(noisy, truth)])
    for name, function in {"gaussian": gaussian, "nlm": nlm, "tv": tv}.items():
        unit = 1.0 if name == "gaussian" else noise
        errors = [((function(noisy, s * unit) - truth) ** 2).mean() for s in STRENGTHS[name]]
        ours = filters[name](noisy)
        assert ((ours - truth) ** 2).mean() == pytest.approx(min(errors)) and min(errors) < 0.6 * noise**2
        assert ours.shape == noisy.shape and ours.dtype == np.float32


def test_weak_noise_asks_for_weak_filters() -> None:
    """The width that is best for much noise is too much for little."""
    sharp = (camera()[None, 200:264, 200:264] / 255).astype(np.float32)
    rng = np.random.default_rng(0)
    widths = []
    for sigma in (0.02, 0.3):
        noisy = sharp + sigma * rng.standard_normal(sharp.shape)
        best = chosen([(noisy, sharp)])["gaussian"]
        point = np.zeros((1, 21, 21))
        point[0, 10, 10] = 1
        widths.append(best(point).max())
    assert widths[0] > 2 * widths[1]


def test_filters_are_scikit_images_channel_by_channel() -> None:
    noisy, _ = pair(24, 20)
    both = np.concatenate([noisy, noisy * 2])
    np.testing.assert_allclose(tv(both, 0.2)[1], denoise_tv_chambolle(both[1].astype(float), 0.2), atol=1e-6)
    expected = denoise_nl_means(both[1].astype(float), 5, 6, 0.3, fast_mode=True)
    np.testing.assert_allclose(nlm(both, 0.3)[1], expected, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_bicubic_is_torchs_in_2d_and_separable_in_3d(factor: int) -> None:
    small = torch.randn(1, 2, 6, 7, dtype=torch.double)
    blocks = small.repeat_interleave(factor, 2).repeat_interleave(factor, 3)[0].numpy()
    expected = torch.nn.functional.interpolate(small, scale_factor=factor, mode="bicubic")[0]
    np.testing.assert_allclose(bicubic(blocks, factor), expected, atol=1e-12)
    volume = np.stack([blocks] * factor * 3, 1)  # the same slice along a third axis
    np.testing.assert_allclose(bicubic(volume, factor), np.stack([expected] * factor * 3, 1), atol=1e-12)


def test_no_validation_image() -> None:
    with pytest.raises(ValueError, match="none was given"):
        chosen([])
    assert set(enhancement.FILTERS) == set(STRENGTHS)
