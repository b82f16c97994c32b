"""Losses by name, weighted."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import structural_similarity

from src.errors import UserError
from src.losses.images import weighted_losses


def test_weights_and_closed_forms() -> None:
    target = torch.rand(2, 1, 16, 16)
    losses = weighted_losses({"l1": 2.0, "mse": 3.0, "ssim": 0.0, "gradient": 1.0}, 2, 1.0)
    values = {name: float(loss(target + 0.5, target)) for name, loss in losses.items()}
    assert values == pytest.approx({"l1": 1.0, "mse": 0.75, "gradient": 0.0}, abs=1e-6)


def test_ssim_is_one_less_scikit_images() -> None:
    """MONAI's window is Gaussian, 11 pixels wide, of sigma 1.5."""
    rng = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 1, 1, 32, 32, generator=rng)
    (loss,) = weighted_losses({"ssim": 1.0}, 2, 1.0).values()
    expected = structural_similarity(
        x[0, 0].numpy(),
        y[0, 0].numpy(),
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert float(loss(x, y)) == pytest.approx(1 - expected, abs=1e-4)


@pytest.mark.parametrize(
    "weights, words",
    [({"l3": 1.0}, "l3: no such loss"), ({"l1": -1.0}, "negative"), ({"l1": 0.0}, "all are 0")],
)
def test_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        weighted_losses(weights, 2, 1.0)
