"""A branching vessel tree: random walks whose radius tapers, as points along the centrelines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LENGTH = 1.6
"""Length of a branch over which its radius falls to a third, in sides of the image."""
BETWEEN = 0.075
"""Mean distance between two branchings, in sides of the image."""
SPREAD = (25.0, 70.0)
"""Least and largest angle between the two branches, degrees."""
CURL = 0.02
"""Standard deviation of the change of direction per voxel at 256 voxels a side, before it is smoothed."""
MOST = 400
"""Branches of one tree at most."""


@dataclass(frozen=True)
class Tree:
    """Points of the centrelines.

    Attributes:
        places: [N, dims], voxels.
        radii: [N], voxels.
    """

    places: np.ndarray
    radii: np.ndarray


@dataclass(frozen=True)
class Field:
    """A ball (a circle in 2D) that the camera sees.

    Attributes:
        centre: [dims], voxels.
        radius: voxels.
    """

    centre: np.ndarray
    radius: float

    def distance(self, places: np.ndarray) -> np.ndarray:
        """Return the distance of places [..., dims] from the centre, voxels."""
        found: np.ndarray = np.linalg.norm(places - self.centre, axis=-1)
        return found


def grown(rng: np.random.Generator, field: Field, side: int, radius: tuple[float, float], roots: int) -> Tree:
    """Grow a tree from one point inside the field, until its branches are thin or leave the field.

    Where a branch divides, the cubes of the two radii add up to that of its own (Murray, PNAS 12 (1926) 207).

    Args:
        rng: source of the walks.
        field: what the camera sees.
        side: side of the image, voxels.
        radius: least and largest radius, voxels.
        roots: number of branches that begin at the first point.
    """
    dims = len(field.centre)
    first = field.centre + 0.55 * field.radius * _unit(rng.normal(size=dims))
    inward = _unit(field.centre - first)
    waiting = [(first, _unit(inward * 0.3 + _around(rng, dims, n / roots)), radius[1]) for n in range(roots)]
    places, radii = [], []
    for _ in range(MOST):
        if not waiting:
            break
        place, direction, thick = waiting.pop(0)
        turn = np.zeros(dims)
        while thick >= radius[0] and field.distance(place) < field.radius + radius[1]:
            places.append(place)
            radii.append(thick)
            turn = 0.9 * turn + CURL * 256 / side * rng.normal(size=dims)
            direction = _unit(direction + turn)
            place = place + direction
            thick *= float(np.exp(-np.log(3) / (LENGTH * side)))
            if rng.random() < 1 / (BETWEEN * side):
                direction, other, thick, thin = _divided(rng, direction, thick)
                waiting.append((place, other, thin))
    return Tree(np.array(places), np.array(radii))


def _divided(
    rng: np.random.Generator, direction: np.ndarray, thick: float
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return the directions and radii of two branches; the thicker one turns less."""
    ratio = rng.uniform(0.35, 1.0)
    thicker = thick * (1 + ratio**3) ** (-1 / 3)
    across = rng.normal(size=len(direction))
    across = _unit(across - (across @ direction) * direction)
    angle = np.deg2rad(rng.uniform(*SPREAD))
    less = angle * ratio**3 / (1 + ratio**3)
    more = less - angle
    turned = [_unit(np.cos(a) * direction + np.sin(a) * across) for a in (less, more)]
    return turned[0], turned[1], thicker, ratio * thicker


def _around(rng: np.random.Generator, dims: int, share: float) -> np.ndarray:
    """Return a direction; in 2D they go round with their share of a turn."""
    if dims == 2:
        angle = 2 * np.pi * (share + rng.uniform(-0.06, 0.06))
        return np.array([np.sin(angle), np.cos(angle)])
    return _unit(rng.normal(size=dims))


def _unit(vector: np.ndarray) -> np.ndarray:
    found: np.ndarray = vector / np.linalg.norm(vector)
    return found


def painted(tree: Tree, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Paint a tree.

    Args:
        tree: the tree.
        shape: shape of the image.

    Returns:
        Depth below the surface, voxels, -2 far from every vessel, [*shape]; and the radius of the vessel that
        a voxel is deepest in, [*shape], 0 far from every vessel.
    """
    depth, thick = np.full(shape, -2.0), np.zeros(shape)
    for place, radius in zip(tree.places, tree.radii, strict=True):
        reach = radius + 2
        low = np.maximum(np.ceil(place - reach).astype(int), 0)
        high = np.minimum(np.floor(place + reach).astype(int) + 1, shape)
        if (low >= high).any():
            continue
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.ix_(*(np.arange(a, b) - p for a, b, p in zip(low, high, place, strict=True)))
        own = radius - np.sqrt(sum(axis**2 for axis in axes))
        deeper = own > depth[window]
        depth[window][deeper] = own[deeper]
        thick[window][deeper] = radius
    return depth, thick
