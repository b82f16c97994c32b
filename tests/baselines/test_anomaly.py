"""Baselines of anomaly detection: known answers, and scikit-learn's principal components."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ganatomy.baselines.anomaly import (
    blurred_residual,
    coarse,
    coarse_noise,
    denoising_autoencoder,
    intensity,
    principal_components,
    spread,
)
from ganatomy.networks.image_to_image.unet import UNet


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 6, 5)], ids=["2D", "3D"])
def test_principal_components_are_scikit_learns(shape: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(0)
    training, images = (torch.randn(n, *shape, generator=rng) for n in (40, 7))
    found = principal_components(training, 5)(images)
    pca = PCA(5, svd_solver="full").fit(training.flatten(1).numpy())
    rows = images.flatten(1).numpy()
    expected = np.abs(rows - pca.inverse_transform(pca.transform(rows)))
    np.testing.assert_allclose(found.flatten(1).numpy(), expected, atol=1e-4)
    assert principal_components(training, 1000)(training).max() < 1e-3, "all of them lose nothing"


def test_what_stands_out_is_seen_and_the_smooth_is_not() -> None:
    images = torch.full((2, 1, 32, 32), 5.0)
    assert blurred_residual(images).max() < 1e-5 and intensity(images) is images
    images[1, 0, 10, 20] += 1
    found = blurred_residual(images)
    assert found[0].max() < 1e-5 and found[1].argmax() == 10 * 32 + 20
    volume = torch.zeros(1, 1, 16, 16, 16)
    volume[0, 0, 3, 4, 5] = 1
    assert blurred_residual(volume).argmax() == (3 * 16 + 4) * 16 + 5


def test_coarse_noise_is_smooth_normal_and_everywhere() -> None:
    torch.manual_seed(0)
    images = torch.zeros(400, 1, 32, 32)
    noise = coarse_noise(images, 0.3 * torch.randn(400, 1, *coarse((32, 32), 8)))
    assert abs(noise.mean()) < 0.01 and 0.1 < noise.std() < 0.3
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    assert neighbours > 0.85
    assert coarse((64, 10, 1)) == [16, 5, 1]
    assert coarse_noise(torch.zeros(1, 2, 9, 8, 7), torch.randn(1, 2, 4, 4, 3)).shape == (1, 2, 9, 8, 7)


def test_the_autoencoder_learns_and_repeats_itself() -> None:
    """Stripes are the healthy: a square on them is what it takes away, more so after training."""
    stripes = torch.sin(torch.arange(16.0))[None, None, None].expand(32, 1, 16, 16).contiguous()
    ill = stripes[:1].clone()
    ill[0, 0, 5:9, 5:9] += 1.5

    def found(steps: int, seed: int = 0) -> torch.Tensor:
        torch.manual_seed(0)
        return denoising_autoencoder(UNet(2, 1, 1, (4, 8)), stripes, steps, 8, seed)(ill)[0, 0]

    state = torch.get_rng_state()
    trained = found(120)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[5:9, 5:9] = True
    assert trained[inside].mean() > 2 * trained[~inside].mean()
    assert trained[~inside].mean() < 0.5 * found(1)[~inside].mean()
    assert torch.equal(found(3), found(3)) and not torch.equal(found(3), found(3, 1))
    del state


def test_the_range_is_that_between_percentiles() -> None:
    values = torch.linspace(0, 1, 10001)
    assert spread(values) == pytest.approx(0.98, abs=1e-3)
    values[0] = 1e6
    assert spread(values) == pytest.approx(0.98, abs=1e-2)
