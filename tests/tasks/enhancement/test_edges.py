"""The edge loss on ramps and steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from torch.nn.functional import conv2d, pad

from ganatomy.adversarial.discriminator import read_output
from ganatomy.adversarial.losses.classic import LeastSquares
from ganatomy.tasks.enhancement.edges import gradient_difference, sobel_difference


@pytest.mark.parametrize("dims", [2, 3])
def test_a_ramp_has_its_slope_along_one_axis(dims: int) -> None:
    flat = torch.zeros(2, 1, *[6] * dims)
    ramp = flat + 3 * torch.arange(6.0)
    assert float(gradient_difference(ramp, flat)) == pytest.approx(3 / dims)
    assert float(gradient_difference(ramp + 5, ramp)) == pytest.approx(0, abs=1e-6)


def test_a_step_counts_once() -> None:
    step = torch.zeros(1, 1, 5, 5)
    step[..., 2:] = 4
    assert float(gradient_difference(step, torch.zeros_like(step))) == pytest.approx(4 / 4 / 2)


def test_the_words_of_dugan_give_the_authors_objective() -> None:
    """0.1 Σ mean (d - 1)² over four outputs; 20 |Sa - Sb| with a quarter of [1, 2, 1] across [1, 0, -1]."""
    torch.manual_seed(0)
    logits = [torch.randn(shape, dtype=torch.float64) for shape in ((3, 1), (3, 1, 8, 8)) * 2]
    ours = 0.8 * LeastSquares().generator(None, read_output((logits, [[] for _ in logits])))
    assert float(ours) == pytest.approx(float(0.1 * sum((d - 1).square().mean() for d in logits)))
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]], dtype=torch.float64) / 4
    a, b = pad(torch.randn(2, 3, 1, 9, 9, dtype=torch.float64), [2, 2, 2, 2])
    lengths = [
        sum(conv2d(image, kernel[None, None], padding=1).square() for kernel in (across, across.T)).sqrt()
        for image in (a, b)
    ]
    theirs = 20 * (lengths[0] - lengths[1]).abs().mean()
    assert float(40 * sobel_difference(a, b)) == pytest.approx(float(theirs), rel=1e-6)


def test_sobel_differences_compare_lengths_against_scipy() -> None:
    """scipy's kernels sum to 8 times ours; the sign of a gradient does not count."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1, 1, 9, 12))
    lengths = [
        np.hypot(*(sobel(image[0, 0], axis, mode="nearest") for axis in (0, 1))) / 8 for image in (a, b)
    ]
    ours = sobel_difference(torch.from_numpy(a), torch.from_numpy(b))
    assert float(ours) == pytest.approx(np.abs(lengths[0] - lengths[1]).mean(), rel=1e-9)
    assert float(sobel_difference(torch.from_numpy(a), torch.from_numpy(-a))) == pytest.approx(0, abs=1e-12)
