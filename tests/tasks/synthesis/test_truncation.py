"""Truncation: the distribution of the noise, and of the styles, is the one that is promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.stylegan2 import StyleGenerator
from ganatomy.tasks.shared.fixed_noise import fixed_noise
from ganatomy.tasks.synthesis.conditioning import ClassCondition, Condition
from ganatomy.tasks.synthesis.drawer import Drawer
from ganatomy.tasks.synthesis.normalisation import Normalisation
from ganatomy.tasks.synthesis.truncation import Truncated, deviation_of, threshold_of, truncated_normal

UNITS = Normalisation(offset=3.0, scale=2.0)


class Sums(nn.Module):
    """A generator without styles: its image is its noise; `unit` scales that to one length first."""

    def __init__(self, unit: bool = False) -> None:
        super().__init__()
        self.latent, self.unit = 16, unit

    def forward(self, z: Tensor) -> Tensor:
        return (z / z.norm(dim=1, keepdim=True) if self.unit else z).reshape(-1, 1, 4, 4)


def drawer(network: nn.Module, condition: Condition | None = None) -> Drawer:
    return Drawer(network, condition or Condition(), UNITS, 5, torch.device("cpu"))


@pytest.mark.parametrize("psi", [0.05, 0.3, 0.7, 0.99])
def test_the_noise_is_a_truncated_normal_of_deviation_psi(psi: float) -> None:
    threshold = threshold_of(psi)
    reference = truncnorm(-threshold, threshold)
    assert float(reference.std()) == pytest.approx(psi, rel=1e-5) == pytest.approx(deviation_of(threshold))
    z = torch.from_numpy(np.random.default_rng(0).standard_normal(20000))
    made = truncated_normal(z, threshold).numpy()
    assert kstest(made, reference.cdf).pvalue > 0.01 and np.abs(made).max() <= threshold
    assert np.array_equal(np.argsort(made), np.argsort(z.numpy())), "image n stays image n"
    assert np.isfinite(truncated_normal(torch.tensor([-40.0, 0.0, 40.0]), threshold).numpy()).all()


def test_images_without_styles_are_drawn_from_that_noise() -> None:
    draw = drawer(Sums())
    z = draw.noise("a")[None]
    image = Truncated(draw, 0.5, (4, 4))(z)
    expected = truncated_normal(z, threshold_of(0.5)).reshape(1, 1, 4, 4) * 2 + 3
    torch.testing.assert_close(image, expected)


def test_a_generator_that_takes_no_notice_is_refused() -> None:
    with pytest.raises(UserError, match=r"^truncation: this generator scales its noise to one length"):
        Truncated(drawer(Sums(unit=True)), 0.5, (4, 4))


@pytest.mark.parametrize("classes", [0, 2])
@torch.no_grad()
def test_styles_move_towards_the_mean_of_their_class(classes: int) -> None:
    torch.manual_seed(0)
    network = StyleGenerator(
        2, 1, [8, 8], style=8, channels=4, classes=classes, class_conditional=bool(classes)
    )
    draw = drawer(network.eval(), ClassCondition(classes) if classes else None)
    kind = (torch.tensor([1]),) if classes else ()
    z = draw.noise("a")[None]
    noises = torch.stack([fixed_noise(5, f"mean style {n}", network.latent) for n in range(4096)])
    mean = network.styles(noises, *(part.expand(4096) for part in kind)).mean(0)
    style = network.styles(z, *kind)
    for psi in (0.25, 0.75):
        expected = network.paint(psi * style + (1 - psi) * mean, z) * 2 + 3
        torch.testing.assert_close(Truncated(draw, psi, (8, 8))(z, *kind), expected, rtol=1e-4, atol=1e-4)
