"""One real set, scored against many times; sorted projections, halved and smoothed images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ganatomy.metrics.synthesis.distance import SlicedWasserstein, sliced_wasserstein
from ganatomy.metrics.synthesis.pyramid import halved, smoothed
from ganatomy.metrics.synthesis.scores import SetScores, scores_against
from tests.metrics.synthesis.anatomy import anatomies


def test_scores_do_not_depend_on_what_was_scored_before() -> None:
    real, first, second = (anatomies(12, 32, seed=seed) for seed in range(3))
    scores = SetScores(real)
    once = scores(first)
    scores(second)
    scores(real)
    assert scores(first) == once == SetScores(real)(first)
    assert scores(real)["swd"] == 0
    assert scores_against(real.clone(), False, scores) is scores
    for other in (first, real[:8]):
        assert scores_against(other, False, scores).real is other


def test_projections_of_constant_and_extreme_sets() -> None:
    """Far from zero, tiny and huge: the distance is in units of the real set's deviation."""
    real, fake = torch.ones(5, 2, 16, 20), anatomies(5, 20).expand(-1, 2, -1, -1)[:, :, :16]
    assert set(sliced_wasserstein(real, real).values()) == {0.0}
    expected = sliced_wasserstein(fake, fake.flip(0) * 1.5)
    for scale in (1e-5, 1e15):
        found = SlicedWasserstein(fake.flip(0) * 1.5 * scale)(fake * scale)
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("sides", [(32, 24), (2, 2), (9, 8), (7, 5)])
def test_halved_images_are_torchs_to_the_last_bit(sides: tuple[int, int], kind: torch.dtype) -> None:
    images = torch.randn(3, 2, *sides, dtype=kind) * 1e3
    assert torch.equal(halved(images), F.avg_pool2d(images, 2, ceil_mode=True))


def test_smoothing_is_a_convolution_with_the_binomial_kernel() -> None:
    images = torch.randn(2, 3, 17, 12, dtype=torch.float64)
    taps = torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect").reshape(6, 1, 21, 16)
    expected = F.conv2d(padded, torch.outer(taps, taps)[None, None]).reshape(images.shape)
    torch.testing.assert_close(smoothed(images), expected, atol=1e-14, rtol=0)
    np.testing.assert_allclose(smoothed(images.float()), expected, atol=1e-6)
