"""Near-duplicates: images that differ by a crop, a caliper, compression or a little noise.

A perceptual hash finds candidates, a correlation confirms them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 32
HASH = 16
BITS = 16
"""Two pictures are compared if their hashes differ in at most this many of 256 bits."""
CORRELATION = 0.95
"""Two pictures of 32x32 are near-duplicates from this correlation on, the best over small shifts."""


@dataclass(frozen=True)
class Fingerprint:
    """Fingerprint of an image: a hash (256 bits, bool) and a picture (32x32)."""

    bits: np.ndarray
    picture: np.ndarray


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Return the fingerprint of an image [C, *spatial]; of a volume, that of its middle slice.

    A bit is set where an area, of 16x17, is brighter than its left neighbour (Krawetz's dHash).
    """
    plane = image.mean(0, dtype=np.float32)
    plane = plane[..., plane.shape[-1] // 2] if plane.ndim == 3 else plane
    picture = _shrunk(plane, SIDE, SIDE, Image.Resampling.BOX)
    small = _shrunk(plane, HASH, HASH + 1, Image.Resampling.LANCZOS)
    return Fingerprint((small[:, 1:] > small[:, :-1]).ravel(), picture)


def pairs(
    prints: Sequence[Fingerprint], groups: Sequence[str], bits: int = BITS
) -> Iterator[tuple[int, int, float]]:
    """Yield the near-duplicates between groups; images of one group are not compared.

    Args:
        prints: Fingerprint of each image.
        groups: Group of each image, such as its split.
        bits: Maximum number of different bits of the hashes.

    Yields:
        (i, j, correlation) with i < j.
    """
    if not prints:
        return
    names = np.unique(np.asarray(groups), return_inverse=True)[1]
    order = np.argsort(names, kind="stable")
    signs = np.stack([prints[place].bits for place in order]).astype(np.float32) * 2 - 1
    ends = np.cumsum(np.bincount(names))
    near: list[tuple[int, int]] = []
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        for start in range(first, end, 1024):  # against the groups that follow
            alike = signs[start : min(start + 1024, end)] @ signs[end:].T >= signs.shape[1] - 2 * bits
            for i, j in np.argwhere(alike) if alike.any() else ():
                one, other = sorted((int(order[start + i]), int(order[end + j])))
                near.append((one, other))
    for one, other in sorted(near):
        value = correlation(prints[one].picture, prints[other].picture)
        if value >= CORRELATION:
            yield one, other, value


def correlation(a: np.ndarray, b: np.ndarray, shift: int = 1) -> float:
    """Return the largest Pearson correlation of the middle of `a` with `b` over small shifts.

    Args:
        a: Square picture [n, n].
        b: Picture of the same shape.
        shift: Largest shift in pixels, along each axis.
    """
    n = a.shape[0] - 2 * shift
    middle = _unit(a[shift : shift + n, shift : shift + n])
    moves = [(y, x) for y in range(2 * shift + 1) for x in range(2 * shift + 1)]
    return float(max((middle * _unit(b[y : y + n, x : x + n])).sum() for y, x in moves))


def _unit(picture: np.ndarray) -> np.ndarray:
    centred = picture - picture.mean()
    norm = np.linalg.norm(centred)
    return np.asarray(centred / norm if norm > 0 else centred)


def _shrunk(plane: np.ndarray, height: int, width: int, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), how))
