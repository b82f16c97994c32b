"""Correlations at all shifts by Fourier coefficients against a loop over shifts in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganatomy.metrics.synthesis.memorisation import nearest
from ganatomy.metrics.synthesis.nearest.shifts import ShiftedCorrelations


def unit(images: Tensor) -> Tensor:
    rows = images.double().flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-300)


def one_by_one(windows: Tensor, images: Tensor, reach: int) -> Tensor:
    """The definition: the best of all shifts and of the flip, each window normalised anew."""
    height, width = windows.shape[2:]
    found = []
    for seen in (images, images.flip(-1)):
        for down in range(2 * reach + 1):
            for right in range(2 * reach + 1):
                part = seen[:, :, down : down + height, right : right + width]
                found.append(unit(windows) @ unit(part).T)
    return torch.stack(found).amax(0)


@pytest.mark.parametrize("offset, scale", [(0.0, 1.0), (1000.0, 1.0), (0.0, 1e30), (0.0, 1e-30)])
@pytest.mark.parametrize("sides, reach, channels", [((9, 12), 2, 1), ((8, 7), 3, 2), ((5, 5), 1, 3)])
def test_correlations_are_those_of_every_shift(
    sides: tuple[int, int], reach: int, channels: int, offset: float, scale: float
) -> None:
    draw = torch.Generator().manual_seed(0)
    whole = tuple(side + 2 * reach for side in sides)
    images = torch.randn(6, channels, *whole, generator=draw)
    queries = torch.randn(5, channels, *sides, generator=draw)
    queries[0] = images[2, :, : sides[0], 1 : 1 + sides[1]]
    queries[1] = images[4].flip(-1)[:, 2 * reach :, : sides[1]]
    windows = unit(queries).float().reshape(queries.shape)
    seen = images * scale + offset
    found = ShiftedCorrelations(windows, reach).best(seen)
    expected = one_by_one(windows, seen, reach)
    tolerance = 1e-4 if offset else 2e-6  # 1000 and more keep four digits of the image itself
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=0)
    assert found[0].argmax() == 2 and found[1].argmax() == 4
    assert found[0, 2] == pytest.approx(1, abs=1e-4)


def test_constant_parts_correlate_with_nothing() -> None:
    windows = unit(torch.randn(3, 1, 6, 6)).float().reshape(3, 1, 6, 6)
    images = torch.full((2, 1, 10, 10), 0.1)
    images[1, 0, 0] = 1e6
    found = ShiftedCorrelations(windows, 2).best(images)
    assert (found[:, 0] == 0).all() and (found.abs() <= 1 + 1e-5).all()


def test_a_copy_in_a_later_batch_is_found_under_its_number() -> None:
    draw = torch.Generator().manual_seed(0)
    training = torch.rand(20, 3, 32, 32, generator=draw)
    queries = torch.stack([training[13].roll((2, -1), (1, 2)), training[4].flip(-1), training[0]])
    for views in (1, 3):
        best, index, images = nearest(queries, torch.split(training, 6), views)
        assert index.tolist() == [13, 4, 0] and torch.equal(images, training[index])
        torch.testing.assert_close(best, torch.ones(3), atol=1e-5, rtol=0)
