"""Images and label maps as RGB tiles, uint8 [n, height, width, 3].

All take arrays [n, *spatial] and draw the middle slice along the last axis of volumes. Rows run downwards, as
stored: turn a scan upright first. Small images are enlarged by a whole factor, smoothly for intensities and
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
"""Height and width of a tile in pixels, at least."""

OKABE_ITO: tuple[Rgb, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
"""Colours that people with any colour blindness can distinguish (Okabe and Ito, 2008)."""

ERRORS: dict[str, Rgb] = {
    "missed": (86, 180, 233),
    "false alarm": (240, 228, 66),
    "wrong class": (213, 94, 0),
}
CORRECT: Rgb = (70, 74, 80)
HATCH = 8
"""Distance of the lines across what does not count, in pixels."""
HATCHED: Rgb = (128, 128, 128)


def colours(classes: Sequence[str]) -> dict[str, Rgb]:
    """Return the colour of each class; the background, which comes first, has none.

    Example:
        >>> colours(["background", "gm", "wm"])
        {'gm': (86, 180, 233), 'wm': (230, 159, 0)}
    """
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(classes[1:])}


def grey(image: ArrayLike, window: tuple[float, float] | None = None) -> Pixels:
    """Draw intensities in grey; `window` = (black, white), default each tile's 0.5 and 99.5 percentiles.

    Example:
        >>> grey(np.zeros((2, 64, 48))).shape
        (2, 192, 144, 3)
    """
    return np.stack([_rgb(shaded(tile, window)) for tile in middle_slices(image)])


def shown(images: ArrayLike, window: tuple[float, float] | None = None) -> Pixels:
    """Draw images [n, C, *spatial]: three channels in colour, else the first in grey.

    Three channels share one `window` (black, white).

    Example:
        >>> shown(np.zeros((2, 3, 192, 96))).shape
        (2, 192, 96, 3)
    """
    values = np.asarray(images, dtype=np.float32)
    if values.shape[1] != 3:
        return grey(values[:, 0], window)
    channels = [middle_slices(values[:, channel]) for channel in range(3)]
    drawn = []
    for tiles in zip(*channels, strict=True):
        ends = window or _ends(np.stack(tiles))
        drawn.append(to_bytes(np.stack([shaded(tile, ends) * 255 for tile in tiles], -1)))
    return np.stack(drawn)


def overlay(
    image: ArrayLike, label: ArrayLike, classes: int, window: tuple[float, float] | None = None
) -> Pixels:
    """Draw images with each class tinted in its colour and outlined.

    Args:
        image: Images [n, *spatial], or [n, C, *spatial] as `shown` draws it.
        label: Label maps [n, *spatial]; 0 is not tinted, and below 0, what does not count, is hatched.
        classes: Number of classes, background included.
        window: (black, white); default: each tile's 0.5 and 99.5 percentiles.

    Example:
        >>> overlay(np.zeros((2, 64, 48)), np.ones((2, 64, 48)), classes=2)[0, 0, 0].tolist()
        [86, 180, 233]
    """
    drawn = []
    below = shown(image, window) if np.ndim(image) > np.ndim(label) else grey(image, window)
    for tile, labels in zip(below, middle_slices(label), strict=True):
        pixels = tile.astype(np.float32)
        large = enlarged(np.rint(labels), order=0)
        for index in range(1, classes):
            mask = large == index
            colour = np.array(OKABE_ITO[(index - 1) % len(OKABE_ITO)], np.float32)
            pixels[mask] = 0.62 * pixels[mask] + 0.38 * colour
            pixels[mask & ~binary_erosion(mask)] = colour
        drawn.append(hatched(to_bytes(pixels), large < 0))
    return np.stack(drawn)


def error_map(truth: ArrayLike, prediction: ArrayLike) -> Pixels:
    """Draw where two label maps agree on a class (grey), and where and how they differ (`ERRORS`).

    A truth below 0 does not count, and is hatched.

    Example:
        >>> drawn = error_map(np.zeros((1, 8, 8)), np.ones((1, 8, 8)))
        >>> tuple(drawn[0, 0, 0].tolist()) == ERRORS["false alarm"]
        True
    """
    drawn = []
    for true, predicted in zip(middle_slices(truth), middle_slices(prediction), strict=True):
        true, predicted = (enlarged(np.rint(labels), order=0) for labels in (true, predicted))
        pixels = np.full((*true.shape, 3), 12, np.uint8)
        pixels[(true == predicted) & (true > 0)] = CORRECT
        pixels[(true > 0) & (predicted == 0)] = ERRORS["missed"]
        pixels[(true == 0) & (predicted > 0)] = ERRORS["false alarm"]
        pixels[(true > 0) & (predicted > 0) & (true != predicted)] = ERRORS["wrong class"]
        pixels[true < 0] = 12
        drawn.append(hatched(pixels, true < 0))
    return np.stack(drawn)


def hatched(pixels: Pixels, mask: np.ndarray) -> Pixels:
    """Return a picture [height, width, 3] with grey lines across the pixels of a mask [height, width]."""
    rows, columns = np.indices(mask.shape)
    lines = mask & ((rows + columns) % HATCH < 2)
    return np.where(lines[..., None], np.array(HATCHED, np.uint8), pixels)


def middle_slices(array: ArrayLike) -> np.ndarray:
    """Return planes [n, height, width], float32: of volumes [n, *spatial] the middle one of the last axis."""
    values = np.asarray(array, dtype=np.float32)
    if values.ndim not in (3, 4):
        raise ValueError(
            f"an array {values.shape} cannot be drawn: give [n, height, width] or [n, height, width, depth]"
        )
    middle: np.ndarray = values if values.ndim == 3 else values[..., values.shape[-1] // 2]
    return middle


def shaded(tile: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Scale intensities to 0 to 1 and enlarge them; NaN becomes black."""
    low, high = window or _ends(tile)
    scaled = np.nan_to_num((tile - low) / max(high - low, 1e-12), nan=0.0, posinf=1.0, neginf=0.0)
    shade: np.ndarray = enlarged(np.clip(scaled, 0, 1), order=3).clip(0, 1)
    return shade


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return black and white: the 0.5th and the 99.5th percentile of the finite values."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    return low, high


def enlarged(tile: np.ndarray, order: int) -> np.ndarray:
    """Return the plane enlarged by a whole factor to at least `TILE`; order 0: in steps, 3: smoothly."""
    factor = max(1, -(-TILE // max(tile.shape)))
    if factor == 1:
        return tile
    if order == 0:
        return tile.repeat(factor, 0).repeat(factor, 1)
    large: np.ndarray = zoom(tile, factor, order=order, mode="nearest", grid_mode=True)
    return large


def _rgb(shade: np.ndarray) -> Pixels:
    return to_bytes(np.repeat(shade[..., None] * 255, 3, axis=-1))


def to_bytes(pixels: np.ndarray) -> Pixels:
    """Round values to 0 to 255, uint8."""
    rounded: Pixels = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return rounded
