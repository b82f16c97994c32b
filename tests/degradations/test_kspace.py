"""k-space: what was measured is kept, what was not is zero."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.degradations.kspace import Undersample, cartesian_mask, zero_filled
from ganatomy.errors import UserError


@pytest.mark.parametrize("sides", [(32, 20), (33, 8, 6)])
def test_measured_lines_are_kept_and_the_others_zero(sides: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((2, *sides))
    mask = cartesian_mask(sides[0], 4, 0.1, np.random.default_rng(1))
    before, after = (np.fft.fftshift(np.fft.fft(i, axis=1), 1) for i in (x, zero_filled(x, mask)))
    np.testing.assert_allclose(after[:, mask], before[:, mask], atol=1e-9)
    np.testing.assert_allclose(after[:, ~mask], 0, atol=1e-9)


def test_zero_filling_is_a_projection() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 1, 24, 16))
    mask = cartesian_mask(24, 3, 0.1, np.random.default_rng(1))
    once = zero_filled(x, mask)
    np.testing.assert_allclose(zero_filled(once, mask), once, atol=1e-12)
    assert (np.conj(once) * y).sum() == pytest.approx((x * zero_filled(y, mask)).sum(), rel=1e-9)


@pytest.mark.parametrize("lines, acceleration, centre", [(96, 4, 0.08), (64, 8, 0.04), (33, 2.5, 0.1)])
def test_mask_holds_the_centre_and_the_acceleration(lines: int, acceleration: float, centre: float) -> None:
    masks = [cartesian_mask(lines, acceleration, centre, np.random.default_rng(s)) for s in range(50)]
    assert {mask.sum() for mask in masks} == {round(lines / acceleration)}
    width = max(1, round(lines * centre))
    middle = np.arange(lines // 2 - width // 2, lines // 2 - width // 2 + width)
    assert middle[0] <= lines // 2 <= middle[-1]
    assert all(mask[middle].all() for mask in masks)
    outside = np.delete(np.mean(masks, 0), middle)
    assert outside.max() < 0.95 and not np.array_equal(masks[0], masks[1])


def test_everything_measured_changes_nothing() -> None:
    x = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(Undersample(1.0)(x, 0.0, 1.0, np.random.default_rng(0)), x, atol=1e-6)


def test_a_magnitude_is_not_below_the_scanners_zero() -> None:
    own = np.random.default_rng(0).random((1, 32, 32)) * 500
    fast = Undersample(4)(((own - 250) / 100).astype(np.float32), 250, 100, np.random.default_rng(0))
    assert (fast * 100 + 250).min() > -1e-3
    assert np.abs(fast * 100 + 250 - own).mean() > 20


def test_refused() -> None:
    for wrong in ({"acceleration": 0.5}, {"centre": 1.5}):
        with pytest.raises(UserError):
            Undersample(**wrong)
