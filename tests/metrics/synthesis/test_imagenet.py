"""Features of EfficientNet-Lite0: what goes in, and that nothing but the images decides what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ganatomy.metrics.synthesis import imagenet
from ganatomy.metrics.synthesis.imagenet import ImageNetFeatures, available, blurred
from ganatomy.metrics.synthesis.scores import SetScores
from tests.metrics.synthesis.anatomy import anatomies


def test_the_blur_is_scipys() -> None:
    images = torch.randn(2, 2, 20, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for sigma in (0.35, 0.7, 1.4):
        expected = gaussian_filter(
            images.numpy(), sigma, axes=(2, 3), mode="mirror", radius=int(np.ceil(4 * sigma))
        )
        np.testing.assert_allclose(blurred(images, sigma), expected, atol=1e-12)


def test_images_decide_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not their units, not the batch, not how one channel is written."""
    monkeypatch.setattr(imagenet, "IMAGES", 2)
    real = anatomies(3, 32, seed=0)
    describe = ImageNetFeatures(real)
    features = describe(real)
    assert features.shape == (3, 1280) and features.std() > 0.05
    torch.testing.assert_close(describe(real[2:]), features[2:], atol=1e-4, rtol=1e-4)
    in_units = ImageNetFeatures(real * 900 + 50)(real * 900 + 50)
    torch.testing.assert_close(in_units, features, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(
        ImageNetFeatures(real)(real.repeat(1, 3, 1, 1)), features, atol=1e-4, rtol=1e-4
    )


def test_the_score_is_there_when_it_is_asked_for() -> None:
    real, fake = anatomies(8, 32, seed=0), anatomies(8, 32, seed=1)
    assert available() and "kid/imagenet" not in SetScores(real)(fake)
    found = SetScores(real, imagenet=True)(torch.rand(8, 1, 32, 32))
    assert found["kid/imagenet"] > 100 and found["kid/blurred"] > 100 and found["coverage/imagenet"] == 0


def test_a_blur_hides_faint_noise() -> None:
    real = anatomies(40, 64, seed=0)
    noisy = real + 0.05 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    found = SetScores(real, imagenet=True)(noisy)
    assert found["kid/imagenet"] > 5 * max(found["kid/blurred"], 1)
