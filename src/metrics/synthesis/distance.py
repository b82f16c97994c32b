"""Sliced Wasserstein distance between two sets of images, level by level of their Laplacian pyramids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
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


class SlicedWasserstein:
    """Sliced Wasserstein distance to one real set, whose sorted projections are kept: at most 34 MB a level.

    Karras et al., arXiv 1710.10196, section 5.
    Descriptors are neighbourhoods of 7x7 pixels, at the same random places in both sets; unlike in the paper
    both are normalised by the mean and deviation of the real ones, channel by channel, so that a difference
    of these counts.

    Args:
        real: Images [n, C, H, W].
        seed: Seed of the places and directions.

    Raises:
        ValueError: If an image is not finite.
    """

    def __init__(self, real: Tensor, seed: int = 0) -> None:
        refuse_not_finite("sliced Wasserstein distance", real)
        self.shape, self.seed = real.shape, seed
        self.places = descriptor_places(len(real), real.shape[2], real.shape[3], seed)
        self.units: list[tuple[Tensor, Tensor]] = []
        self.projections: list[list[Tensor]] = []
        for rows in _descriptors(real, self.places):
            axes = (0, 2, 3)
            units = rows.mean(axes, keepdim=True), rows.std(axes, keepdim=True).clamp_min(1e-8)
            self.units.append(units)
            self.projections.append(list(self._projections(rows, units)))

    def __call__(self, fake: Tensor) -> dict[int, float]:
        """Return the distance at each level times 1000, by the level's height.

        Args:
            fake: Images of the real set's shape.

        Raises:
            ValueError: If the shapes differ or an image is not finite.
        """
        refuse_not_finite("sliced Wasserstein distance", fake)
        if fake.shape != self.shape:
            raise ValueError(
                f"sets of {list(fake.shape)} and {list(self.shape)} cannot be compared: give as many "
                "images of one size"
            )
        heights = [height for height, _ in level_sides(self.shape[2], self.shape[3])]
        levels = zip(heights, _descriptors(fake, self.places), self.units, self.projections, strict=True)
        found = {}
        for height, rows, units, kept in levels:
            pairs = zip(self._projections(rows, units), kept, strict=True)
            apart = [float((a - b).abs_().mean(1, dtype=torch.float64).sum()) for a, b in pairs]
            found[height] = 1000 * sum(apart) / DIRECTIONS
        return found

    def _projections(self, rows: Tensor, units: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        """Yield the projections of normalised descriptors, [LINES, descriptors], each line sorted."""
        mean, deviation = units
        rows = ((rows - mean) / deviation).flatten(1)
        for part in torch.split(directions(rows.shape[1], self.seed).to(rows), LINES, dim=1):
            yield _sorted((rows @ part).T)


def sliced_wasserstein(fake: Tensor, real: Tensor, seed: int = 0) -> dict[int, float]:
    """Return the distance at each level times 1000, by the level's height, as `SlicedWasserstein` does.

    Args:
        fake: Images [n, C, H, W].
        real: Images of the same shape.
        seed: Seed of the places and directions.

    Raises:
        ValueError: If the shapes differ or an image is not finite.
    """
    return SlicedWasserstein(real, seed)(fake)


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


def _sorted(lines: Tensor) -> Tensor:
    """Sort each line; on a CPU by numpy, which makes no indices and is several times faster than torch."""
    if lines.device.type != "cpu":
        return lines.sort(1).values
    values = np.ascontiguousarray(lines.numpy())
    values.sort(axis=1)
    return torch.from_numpy(values)
