"""Blur and larger pixels as the linear maps they are."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.degradations.resolution import Blur, Downsample, blur, downsample, enlarge
from ganatomy.errors import UserError

SIDES = [(12, 16), (8, 12, 16)]


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((2, *shape))


@pytest.mark.parametrize("sides", SIDES)
def test_blur_is_its_own_adjoint(sides: tuple[int, ...]) -> None:
    x, y = image(*sides), image(*sides, seed=1)
    assert (blur(x, 1.5) * y).sum() == pytest.approx((x * blur(y, 1.5)).sum(), rel=1e-12)
    assert blur(x, 1.5).sum() == pytest.approx(x.sum(), rel=1e-9)


def test_blur_spreads_a_point_by_sigma() -> None:
    point = np.zeros((1, 41, 41))
    point[0, 20, 20] = 1
    spread = blur(point, 2.0)[0]
    places = np.arange(41) - 20
    assert (spread.sum(0) * places**2).sum() == pytest.approx(4, rel=0.01)
    assert (spread.sum(1) * places**2).sum() == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("factor", [2, 4])
def test_the_adjoint_of_downsampling_enlarges(sides: tuple[int, ...], factor: int) -> None:
    x, small = image(*sides), image(*(side // factor for side in sides), seed=1)
    back = enlarge(small, factor) / factor ** len(sides)
    assert (downsample(x, factor) * small).sum() == pytest.approx((x * back).sum(), rel=1e-12)
    np.testing.assert_allclose(downsample(enlarge(small, factor), factor), small, atol=1e-12)


def test_a_large_pixel_is_the_mean_of_what_it_covers() -> None:
    from skimage.measure import block_reduce

    x = image(8, 12)
    np.testing.assert_allclose(downsample(x, 4), block_reduce(x, (1, 4, 4), np.mean), atol=1e-12)


def test_served_on_the_fine_grid() -> None:
    x = image(8, 12).astype(np.float32)
    coarse = Downsample(4)(x, 3.0, 7.0, np.random.default_rng(0))
    assert coarse.shape == x.shape and coarse.dtype == np.float32
    np.testing.assert_allclose(coarse[:, ::4, ::4], downsample(x, 4), atol=1e-6)
    np.testing.assert_array_equal(coarse, enlarge(coarse[:, ::4, ::4], 4))


def test_refused() -> None:
    with pytest.raises(UserError, match="4 does not divide images of 10x12"):
        downsample(image(10, 12), 4)
    for make in (lambda: Downsample(1), lambda: Blur(0.0)):
        with pytest.raises(UserError):
            make()
