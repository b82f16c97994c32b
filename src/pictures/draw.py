"""Images and label maps as RGB tiles, uint8 [n, height, width, 3].

All take arrays [n, *spatial] and draw the middle slice along the last axis of volumes. Rows run downwards, as
stored: turn a scan upright before. Small images are enlarged by a whole factor, smoothly for intensities and
in steps for labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion, zoom

Rgb = tuple[int, int, int]
Pixels = np.ndarray

TILE = 192
"""Least height and width of a tile, in pixels."""

OKABE_ITO: tuple[Rgb, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
"""Colours that people with any colour blindness tell apart (Okabe and Ito, 2008)."""

ERRORS: dict[str, Rgb] = {
    "missed": (86, 180, 233),
    "false alarm": (240, 228, 66),
    "wrong class": (213, 94, 0),
}
CORRECT: Rgb = (70, 74, 80)


def colours(classes: Sequence[str]) -> dict[str, Rgb]:
    """The colour of each class; the background, which comes first, has none."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(classes[1:])}


def grey(image: ArrayLike, window: tuple[float, float] | None = None) -> Pixels:
    """Intensities in grey; `window` = (black, white), by default each tile's own 0.5 and 99.5 percentiles."""
    return np.stack([_rgb(shade(tile, window)) for tile in slices(image)])


def shown(images: ArrayLike, window: tuple[float, float] | None = None) -> Pixels:
    """Images [n, C, *spatial]: three channels in colour, in one `window` for all of them; else the first in
    grey."""
    values = np.asarray(images, dtype=np.float32)
    if values.shape[1] != 3:
        return grey(values[:, 0], window)
    channels = [slices(values[:, channel]) for channel in range(3)]
    drawn = []
    for tiles in zip(*channels, strict=True):
        own = window or _ends(np.stack(tiles))
        drawn.append(to_bytes(np.stack([shade(tile, own) * 255 for tile in tiles], -1)))
    return np.stack(drawn)


def overlay(
    image: ArrayLike, label: ArrayLike, classes: int, window: tuple[float, float] | None = None
) -> Pixels:
    """The image with each class tinted in its colour and outlined; labels 1 to classes - 1, 0 stays bare.

    image: [n, *spatial], or [n, C, *spatial] as `shown` draws it.
    """
    drawn = []
    below = shown(image, window) if np.ndim(image) > np.ndim(label) else grey(image, window)
    for tile, labels in zip(below, slices(label), strict=True):
        pixels = tile.astype(np.float32)
        large = enlarged(np.rint(labels), order=0)
        for index in range(1, classes):
            mask = large == index
            colour = np.array(OKABE_ITO[(index - 1) % len(OKABE_ITO)], np.float32)
            pixels[mask] = 0.62 * pixels[mask] + 0.38 * colour
            pixels[mask & ~binary_erosion(mask)] = colour
        drawn.append(to_bytes(pixels))
    return np.stack(drawn)


def error_map(truth: ArrayLike, prediction: ArrayLike) -> Pixels:
    """Where two label maps agree on a class (grey) and where and how they do not (`ERRORS`)."""
    drawn = []
    for theirs, ours in zip(slices(truth), slices(prediction), strict=True):
        theirs, ours = (enlarged(np.rint(labels), order=0) for labels in (theirs, ours))
        pixels = np.full((*theirs.shape, 3), 12, np.uint8)
        pixels[(theirs == ours) & (theirs > 0)] = CORRECT
        pixels[(theirs > 0) & (ours == 0)] = ERRORS["missed"]
        pixels[(theirs == 0) & (ours > 0)] = ERRORS["false alarm"]
        pixels[(theirs > 0) & (ours > 0) & (theirs != ours)] = ERRORS["wrong class"]
        drawn.append(pixels)
    return np.stack(drawn)


def slices(array: ArrayLike) -> np.ndarray:
    """Images [n, height, width]; of volumes [n, height, width, depth] the middle slice."""
    values = np.asarray(array, dtype=np.float32)
    if values.ndim not in (3, 4):
        raise ValueError(
            f"an array {values.shape} cannot be drawn: give [n, height, width] or [n, height, width, depth]"
        )
    middle: np.ndarray = values if values.ndim == 3 else values[..., values.shape[-1] // 2]
    return middle


def shade(tile: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Intensities as 0 to 1, enlarged; what is not finite becomes black."""
    low, high = window or _ends(tile)
    scaled = np.nan_to_num((tile - low) / max(high - low, 1e-12), nan=0.0, posinf=1.0, neginf=0.0)
    large: np.ndarray = enlarged(np.clip(scaled, 0, 1), order=3).clip(0, 1)
    return large


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Black and white: the 0.5th and the 99.5th percentile of what is finite."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    return low, high


def enlarged(tile: np.ndarray, order: int) -> np.ndarray:
    """A tile, enlarged by a whole factor to at least `TILE` on its longer side; order: of the spline."""
    factor = max(1, -(-TILE // max(tile.shape)))
    if factor == 1:
        return tile
    if order == 0:
        return tile.repeat(factor, 0).repeat(factor, 1)
    large: np.ndarray = zoom(tile, factor, order=order, mode="nearest", grid_mode=True)
    return large


def _rgb(tile: np.ndarray) -> Pixels:
    return to_bytes(np.repeat(tile[..., None] * 255, 3, axis=-1))


def to_bytes(pixels: np.ndarray) -> Pixels:
    """Values from 0 to 255, rounded to whole ones."""
    rounded: Pixels = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return rounded
