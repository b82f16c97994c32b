"""Surface distances against brute force and MONAI's, and percentiles of more values than torch takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import get_mask_edges, get_surface_distance
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from ganatomy.metrics import surfaces
from ganatomy.metrics.labelmaps import score_volume
from ganatomy.metrics.surfaces import percentile, surface, surface_distances


def masks(seed: int) -> tuple[list[torch.Tensor], tuple[float, ...]]:
    """Two masks of a shape, from noise to lumps that touch the border, and a spacing; one voxel at least."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12, rng.integers(2, 4))
    spacing = tuple(rng.choice([0.3, 0.5, 0.7, 1, rng.uniform(0.1, 3)], len(shape)).tolist())
    found = []
    for _ in range(2):
        mask = gaussian_filter(rng.standard_normal(shape), rng.integers(3)) > rng.choice([-0.5, 0, 0.4, 9])
        if not mask.any():
            mask[tuple(rng.integers(0, shape))] = True
        found.append(torch.from_numpy(mask))
    return found, spacing


def brute_force(one: torch.Tensor, other: torch.Tensor, spacing: tuple[float, ...]) -> list[np.ndarray]:
    """Every surface voxel against every one of the other mask; a surface voxel has a neighbour outside."""
    points = []
    for mask in (one.numpy(), other.numpy()):
        padded = np.pad(mask, 1)
        around = [np.roll(padded, step, axis) for axis in range(mask.ndim) for step in (-1, 1)]
        points.append(np.argwhere(padded & ~np.all(around, 0)) * np.array(spacing))
    apart = cdist(*points)
    return [apart.min(1), apart.min(0)]


@pytest.mark.parametrize("many", [0, surfaces.MANY, 10**9], ids=["tree", "either", "transform"])
def test_distances_and_hd95_equal_brute_force(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces, "MANY", many)
    for seed in range(150):
        pair, spacing = masks(seed)
        expected = brute_force(*pair, spacing)
        for ours, theirs in zip(surface_distances(*pair, spacing), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=0)
        hd95 = score_volume(*(mask.long() for mask in pair), 2, spacing, (1,))[2, 0]
        worse = max(np.percentile(side, 95) for side in expected)
        assert float(hd95) == pytest.approx(worse, rel=1e-6)


@pytest.mark.parametrize("large", [surfaces.LARGE, 0], ids=["small", "large"])
def test_distances_are_monais_to_the_last_bit(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces, "LARGE", large)
    for seed in range(150):
        pair, spacing = masks(seed)
        edges = get_mask_edges(*pair)
        for ours, (one, other) in zip(surface_distances(*pair, spacing), (edges, edges[::-1]), strict=True):
            assert torch.equal(ours.float(), get_surface_distance(one, other, spacing=spacing))


def test_a_voxel_at_the_border_is_of_the_surface() -> None:
    full = np.ones((3, 4, 5), bool)
    assert surface(full).sum() == full.size - 1 * 2 * 3


def test_a_percentile_is_torchs() -> None:
    for length in (1, 2, 3, 20, 21, 1000):
        values = torch.rand(length, generator=torch.Generator().manual_seed(length)).double()
        for share in (0.0, 0.05, 0.5, 0.95, 1.0):
            assert torch.equal(percentile(values, share), values.quantile(share))


def test_a_percentile_of_more_values_than_torch_takes() -> None:
    values = torch.arange(2**24 + 3).double().flip(0)
    with pytest.raises(RuntimeError, match="too large"):
        values.quantile(0.95)
    assert float(percentile(values, 0.95)) == pytest.approx(0.95 * (2**24 + 2))
