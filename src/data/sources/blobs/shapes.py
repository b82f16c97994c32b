"""Deformed ellipsoids in a plane or in space: where each lies, and which voxel belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.transforms.instances import boxes_of_numbers
from ganatomy.errors import UserError

LOBES, WAVES = 3, 3.0
"""Waves on the surface of a blob, and how often each rises and falls from pole to pole."""
REACH = 2.2
"""Radii beyond which no blob extends."""


@dataclass(frozen=True)
class Blob:
    """One deformed ellipsoid.

    Attributes:
        centre: [dims], voxels; voxel i has its centre at i.
        radius: Mean radius, voxels.
        axes: [dims, dims], half axes as rows, each divided by its squared length.
        waves: [LOBES, dims], directions of the waves on its surface.
        heights: [LOBES], their heights relative to the radius.
        phases: [LOBES], their phases.
    """

    centre: np.ndarray
    radius: float
    axes: np.ndarray
    waves: np.ndarray
    heights: np.ndarray
    phases: np.ndarray

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Return 0 at the centre, 1 on the surface and more outside, [...], at points [dims, ...]."""
        about = points - self.centre.reshape(-1, *[1] * (points.ndim - 1))
        turned = np.tensordot(self.axes, about, 1)
        length = np.linalg.norm(turned, axis=0)
        direction = turned / np.maximum(length, 1e-9)
        wave = np.sin(
            WAVES * np.tensordot(self.waves, direction, 1) + self.phases.reshape(-1, *[1] * (points.ndim - 1))
        )
        found: np.ndarray = length / (1 + np.tensordot(self.heights, wave, 1))
        return found


def drawn_blob(
    rng: np.random.Generator, centre: np.ndarray, radius: float, stretch: float, deform: float
) -> Blob:
    """Draw the shape of a blob.

    Args:
        rng: Random numbers.
        centre: [dims], voxels.
        radius: Mean radius, voxels.
        stretch: Largest relative difference of a half axis from the radius.
        deform: Largest height of a wave, relative to the radius.
    """
    dims = len(centre)
    half = rng.uniform(1 - stretch, 1 + stretch, dims)
    half *= radius / np.prod(half) ** (1 / dims)
    turn, _ = np.linalg.qr(rng.normal(size=(dims, dims)))
    waves = rng.normal(size=(LOBES, dims))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    heights, phases = rng.uniform(0, deform / LOBES, LOBES), rng.uniform(0, 2 * np.pi, LOBES)
    return Blob(centre, radius, turn / half[:, None], waves, heights, phases)


@dataclass(frozen=True)
class Scene:
    """Blobs on a grid.

    Attributes:
        numbers: [*spatial] int32: 0 outside all blobs, i + 1 in blob i; where several lie over each other,
            the one that the voxel is deepest in.
        depths: [*spatial], see `Blob.depth`, of the blob that the voxel is deepest in; infinite far away.
        covers: [*spatial] float, brightness added up over the blobs.
    """

    numbers: np.ndarray
    depths: np.ndarray
    covers: np.ndarray


def scene(blobs: Sequence[Blob], brightness: Sequence[float], shape: Sequence[int], rim: float) -> Scene:
    """Draw blobs on a grid.

    Args:
        blobs: The blobs.
        brightness: Brightness of each in its middle; it falls to three fifths on the surface.
        shape: Sides of the grid.
        rim: Width of the soft surface, relative to the radius.
    """
    numbers = np.zeros(shape, np.int32)
    depths, covers = np.full(shape, np.inf), np.zeros(shape)
    for number, (blob, bright) in enumerate(zip(blobs, brightness, strict=True), 1):
        reach = REACH * blob.radius + 1
        low = np.clip(np.floor(blob.centre - reach), 0, shape).astype(int)
        high = np.clip(np.ceil(blob.centre + reach) + 1, 0, shape).astype(int)
        place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        if (high <= low).any():
            continue
        points = np.stack(
            np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
        )
        depth = blob.depth(points.astype(float))
        inside = (depth < 1) & (depth < depths[place])
        numbers[place][inside] = number
        depths[place] = np.minimum(depths[place], depth)
        dome = 0.6 + 0.4 * np.sqrt(np.clip(1 - depth**2, 0, 1))
        covers[place] += bright * dome / (1 + np.exp(np.clip((depth - 1) / rim, -50, 50)))
    return Scene(numbers, depths, covers)


def numbered(numbers: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an instance map without objects of fewer than `least` voxels, and their boxes.

    Args:
        numbers: [*spatial], 0 for background.
        least: Fewest voxels of an object that is kept.

    Returns:
        ([*spatial] int32, numbered 1 to N without a gap; boxes [N, 2*dims] float32, row i around i + 1).
    """
    counts = np.bincount(numbers.reshape(-1))
    kept = np.flatnonzero(counts >= least)
    kept = kept[kept > 0]
    table = np.zeros(len(counts), np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    found = table[numbers]
    return found, boxes_of_numbers(found)


def check_range(key: str, given: Sequence[float], least: float) -> tuple[float, float]:
    """Return the two ends of a range.

    Args:
        key: Name of the setting.
        given: Its two numbers.
        least: Smallest number that is allowed.

    Raises:
        UserError: There are not two numbers in order, or one is below `least`.
    """
    if len(given) != 2 or not least <= given[0] <= given[1]:
        raise UserError(f"data.{key}={list(given)}: give the least and the largest, at least {least:g}")
    return given[0], given[1]


def check_counts(key: str, given: Sequence[int], least: int) -> tuple[int, int]:
    """Return the two ends of a range of whole numbers.

    Args:
        key: Name of the setting.
        given: Its two numbers.
        least: Smallest number that is allowed.

    Raises:
        UserError: As `check_range`, or a number is not whole.
    """
    low, high = check_range(key, given, least)
    if not (float(low).is_integer() and float(high).is_integer()):
        raise UserError(f"data.{key}={list(given)}: give whole numbers")
    return int(low), int(high)


def check_shares(**given: float) -> None:
    """Raise UserError for the first number that is not a share, 0 to 1."""
    for key, value in given.items():
        if not 0 <= value <= 1:
            raise UserError(f"data.{key}={value}: must be a share, 0 to 1")
