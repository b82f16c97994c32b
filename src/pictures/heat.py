"""Heat maps, with the truth outlined."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion

from ganatomy.pictures.draw import OKABE_ITO, Pixels, enlarged, middle_slices, shaded, shown, to_bytes

OUTLINE = OKABE_ITO[0]
"""Colour of the truth's outline."""


def heat(
    values: ArrayLike, window: tuple[float, float] | None = None, truth: ArrayLike | None = None
) -> Pixels:
    """Draw values in black, red, yellow, white over the window.

    Args:
        values: Maps [n, *spatial].
        window: (black, white); default: each tile's 0.5 and 99.5 percentiles.
        truth: Masks [n, *spatial], outlined in blue.
    """
    tiles = middle_slices(values)
    masks = np.zeros_like(tiles) if truth is None else middle_slices(truth)
    drawn = []
    for tile, mask in zip(tiles, masks, strict=True):
        pixels = to_bytes(colormaps["inferno"](shaded(tile, window))[..., :3] * 255)
        inside = enlarged(np.rint(mask), order=0) > 0
        pixels[inside & ~binary_erosion(inside, iterations=2)] = OUTLINE
        drawn.append(pixels)
    return np.stack(drawn)


def heat_overlay(image: ArrayLike, values: ArrayLike, highest: float | None = None) -> Pixels:
    """Draw images with values above them: the higher, the brighter and the less transparent.

    Args:
        image: Images [n, C, *spatial].
        values: Maps [n, *spatial] of numbers that are 0 or more, such as the doubt about each pixel.
        highest: Value that hides the image; default: the highest of each tile.
    """
    drawn = []
    for pixels, tile in zip(shown(image), middle_slices(values), strict=True):
        top = highest or float(np.max(tile, initial=0.0)) or 1.0
        strength = enlarged(np.clip(np.asarray(tile, np.float32) / top, 0, 1), order=1)[..., None]
        colour = colormaps["inferno"](strength[..., 0])[..., :3] * 255
        drawn.append(to_bytes((1 - strength) * pixels + strength * colour))
    return np.stack(drawn)
