"""Maps of numbers in colour, with what should have been found outlined."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion

from src.pictures.draw import OKABE_ITO, Pixels, enlarged, shade, slices, to_bytes

OUTLINE = OKABE_ITO[0]
"""Of the truth."""


def heat(
    values: ArrayLike, window: tuple[float, float] | None = None, truth: ArrayLike | None = None
) -> Pixels:
    """Black, red, yellow, white from `window`'s lower to its upper end; the outline of `truth` in blue."""
    tiles = slices(values)
    masks = np.zeros_like(tiles) if truth is None else slices(truth)
    drawn = []
    for tile, mask in zip(tiles, masks, strict=True):
        pixels = to_bytes(colormaps["inferno"](shade(tile, window))[..., :3] * 255)
        inside = enlarged(np.rint(mask), order=0) > 0
        pixels[inside & ~binary_erosion(inside, iterations=2)] = OUTLINE
        drawn.append(pixels)
    return np.stack(drawn)
