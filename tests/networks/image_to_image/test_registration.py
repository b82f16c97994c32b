"""Moving an image by a field: scipy's interpolation, both ways of computing it, and a shift that is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from ganatomy.networks.image_to_image.registration import DisplacementField, gathered, roughness, warp

SIDES = {2: (7, 9), 3: (5, 4, 6)}


def moving(dims: int) -> tuple[Tensor, Tensor]:
    """Two images of two channels, and fields that lead beyond the border too."""
    draw = torch.Generator().manual_seed(dims)
    image, field = (
        torch.randn(2, count, *SIDES[dims], generator=draw, dtype=torch.float64) for count in (2, dims)
    )
    return image, 2 * field


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("by", [warp, gathered])
def test_a_moved_image_is_scipys(by, dims: int) -> None:
    image, field = moving(dims)
    grid = np.stack(np.meshgrid(*map(np.arange, SIDES[dims]), indexing="ij"))
    for row, moved in enumerate(by(image, field).numpy()):
        for channel, found in enumerate(moved):
            places = grid + field[row].numpy()
            wanted = map_coordinates(image[row, channel].numpy(), places, order=1, mode="nearest")
            np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
def test_both_ways_have_the_same_gradients(dims: int) -> None:
    image, field = (part.requires_grad_() for part in moving(dims))
    weights = torch.randn(image.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    first, second = (
        torch.autograd.grad((by(image, field) * weights).sum(), [image, field]) for by in (warp, gathered)
    )
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dims", [2, 3])
def test_it_starts_as_the_identity(dims: int) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 1, *[8] * dims)
    field = DisplacementField(dims, 2, channels=[4, 8])(torch.cat([image, image], 1))
    assert field.shape == (2, dims, *[8] * dims) and not field.any()
    torch.testing.assert_close(warp(image, field), image, rtol=0, atol=1e-5)


def test_roughness_of_a_ramp() -> None:
    """Of slope 0.5 along the second axis, in one of two components: 0.25, over two of them the half."""
    field = torch.zeros(1, 2, 4, 6)
    field[:, 0] = 0.5 * torch.arange(6)
    assert float(roughness(field)) == pytest.approx(0.25 / 2)
    assert float(roughness(field + 3)) == pytest.approx(0.25 / 2)


def test_it_finds_a_planted_shift() -> None:
    """Images moved by two pixels are laid on each other."""
    draw = np.random.default_rng(0)
    wide = gaussian_filter(draw.normal(size=(4, 1, 20, 20)), (0, 0, 2, 2))
    image = torch.from_numpy(wide / wide.std()).float()
    target = image.roll(2, 2)
    torch.manual_seed(0)
    network = DisplacementField(2, 2, channels=[4, 8])
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    middle = (..., slice(4, -4), slice(4, -4))
    errors = []
    for _ in range(80):
        field = network(torch.cat([image, target], 1))
        loss = (warp(image, field) - target)[middle].abs().mean() + 0.1 * roughness(field)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(loss.detach()))
    assert errors[-1] < 0.3 * errors[0]
    assert float(field.detach()[middle][:, 0].median()) == pytest.approx(-2, abs=0.5)
    assert abs(float(field.detach()[middle][:, 1].median())) < 0.3
