"""Sliced Wasserstein distance between two sets of images, level by level of their Laplacian pyramids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.metrics.finite import refuse_not_finite
from ganatomy.metrics.synthesis.pyramid import laplacian_pyramid, level_sides

NEIGHBOURHOOD = 7
"""Side of a descriptor, in pixels of its level."""
DIRECTIONS = 128
DESCRIPTORS = 2**16
"""Descriptors of a set at a level, at most; an image gives up to 128."""
IMAGES, LINES = 64, 32
"""Images and directions that are processed at a time."""


def sliced_wasserstein(fake: Tensor, real: Tensor, seed: int = 0) -> dict[int, float]:
    """Return the distance at each level times 1000, by the level's height.

    Karras et al., arXiv 1710.10196, section 5.
    Descriptors are neighbourhoods of 7x7 pixels, at the same random places in both sets; unlike in the paper
    both are normalised by the mean and deviation of the real ones, channel by channel, so that a difference
    of these counts.

    Args:
        fake: Images [n, C, H, W].
        real: Images of the same shape.
        seed: Seed of the places and directions.

    Raises:
        ValueError: If the shapes differ or an image is not finite.
    """
    refuse_not_finite("sliced Wasserstein distance", fake, real)
    if fake.shape != real.shape:
        raise ValueError(
            f"sets of {list(fake.shape)} and {list(real.shape)} cannot be compared: give as many "
            "images of one size"
        )
    places = descriptor_places(len(real), real.shape[2], real.shape[3], seed)
    sets = zip(_descriptors(fake, places), _descriptors(real, places), strict=True)
    heights = [height for height, _ in level_sides(real.shape[2], real.shape[3])]
    return {
        height: 1000 * _distance(*_normalised(ours, theirs), seed)
        for height, (ours, theirs) in zip(heights, sets, strict=True)
    }


def descriptor_places(count: int, height: int, width: int, seed: int) -> list[Tensor]:
    """Draw the upper left corners of the descriptors, for each level [count, per image, 2].

    Args:
        count: Number of images.
        height: Height of the images.
        width: Width of the images.
        seed: Seed of the places.
    """
    draw = torch.Generator().manual_seed(seed)
    each = max(1, min(128, DESCRIPTORS // max(count, 1)))
    return [
        torch.stack(
            [torch.randint(side - NEIGHBOURHOOD + 1, (count, each), generator=draw) for side in sides], -1
        )
        for sides in level_sides(height, width)
    ]


def directions(length: int, seed: int) -> Tensor:
    """Draw unit vectors [length, DIRECTIONS]."""
    drawn: Tensor = torch.randn(DIRECTIONS, length, generator=torch.Generator().manual_seed(seed)).T
    units: Tensor = drawn / drawn.norm(dim=0)
    return units


def _descriptors(images: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """Cut out the descriptors, for each level [count * per image, C, 7, 7]."""
    found: list[list[Tensor]] = [[] for _ in places]
    for first in range(0, len(images), IMAGES):
        for level, corners, kept in zip(
            laplacian_pyramid(images[first : first + IMAGES].float()), places, found, strict=True
        ):
            windows = level.unfold(2, NEIGHBOURHOOD, 1).unfold(3, NEIGHBOURHOOD, 1)
            y, x = corners[first : first + IMAGES].to(level.device).unbind(-1)
            rows = torch.arange(len(level), device=level.device)[:, None]
            kept.append(windows[rows, :, y, x].flatten(0, 1))
    return [torch.cat(kept) for kept in found]


def _normalised(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise both by the second's mean and deviation of every channel; return them as rows."""
    axes = (0, 2, 3)
    mean, deviation = theirs.mean(axes, keepdim=True), theirs.std(axes, keepdim=True).clamp_min(1e-8)
    first, second = (((rows - mean) / deviation).flatten(1) for rows in (ours, theirs))
    return first, second


def _distance(ours: Tensor, theirs: Tensor, seed: int) -> float:
    """Return the mean over directions of the Wasserstein-1 distance of the projections."""
    total = 0.0
    for part in torch.split(directions(ours.shape[1], seed).to(ours), LINES, dim=1):
        apart = (ours @ part).sort(0).values - (theirs @ part).sort(0).values
        total += float(apart.abs().mean(0).double().sum())
    return total / DIRECTIONS
