"""Losses by name, weighted."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import structural_similarity

from ganatomy.errors import UserError
from ganatomy.tasks.enhancement.losses import weighted_losses


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
    [({"l3": 1.0}, "l3: no such loss"), ({"l1": -1.0}, "negative"), ({"l1": 0.0}, "all weights are 0")],
)
def test_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        weighted_losses(weights, 2, 1.0)


def test_one_s_own_beside_the_names() -> None:
    target = torch.rand(2, 1, 4, 4)
    own = {"weight": 3.0, "loss": lambda output, target: (output - target).sum() / len(output)}
    losses = weighted_losses({"l1": 1.0, "mine": own, "off": {**own, "weight": 0.0}}, 2, 1.0)
    assert list(losses) == ["l1", "mine"]
    assert float(losses["mine"](target + 0.5, target)) == pytest.approx(3 * 0.5 * 16)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"mine": {"weight": 1.0}}, "losses.mine: a loss of your own is {weight: 0.1, loss:"),
        ({"mine": {"weight": True, "loss": max}}, "a loss of your own is"),
        ({"l1": {"weight": 1.0, "loss": max}}, "losses.l1: is the name of a built-in loss"),
        ({"mine": {"weight": -1.0, "loss": max}}, "losses.mine: -1.0 is negative"),
    ],
)
def test_one_s_own_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        weighted_losses(given, 2, 1.0)


def test_one_s_own_gives_one_number() -> None:
    own = {"weight": 1.0, "loss": lambda output, target: output - target}
    losses = weighted_losses({"mine": own}, 2, 1.0)
    with pytest.raises(
        UserError, match=r"losses.mine: returned \[2, 1, 4, 4\]; a loss must return one number"
    ):
        losses["mine"](torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))
