"""Near-duplicates: images that differ by a crop, a caliper, a compression or a little noise, by a
perceptual hash and a correlation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 32
HASH = 16
BITS = 16
"""Most differing bits of two hashes (of 256) at which pictures are compared."""
CORRELATION = 0.95
"""Least correlation of two pictures of 32x32, best over small shifts, at which they count as
near-duplicates."""


@dataclass(frozen=True)
class Print:
    """What is kept of an image to know it again: 256 bits, and a picture of 32x32."""

    bits: np.ndarray
    picture: np.ndarray


def fingerprint(image: np.ndarray) -> Print:
    """The print of an image [C,*spatial]; of a volume, that of its middle slice.

    The bits tell whether each of 16x17 areas is brighter than its left neighbour (Krawetz's dHash).
    """
    plane = image.mean(0, dtype=np.float32)
    plane = plane[..., plane.shape[-1] // 2] if plane.ndim == 3 else plane
    picture = _shrunk(plane, SIDE, SIDE, Image.Resampling.BOX)
    small = _shrunk(plane, HASH, HASH + 1, Image.Resampling.LANCZOS)
    return Print((small[:, 1:] > small[:, :-1]).ravel(), picture)


def pairs(
    prints: Sequence[Print], groups: Sequence[str], bits: int = BITS
) -> Iterator[tuple[int, int, float]]:
    """(i, j, correlation) of near-duplicates i < j of different groups; within a group nothing is
    compared."""
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
    """Largest Pearson correlation of the middle of `a` with `b`, moved by up to `shift` pixels."""
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
