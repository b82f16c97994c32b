"""Heat maps, with the truth outlined."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion

from ganatomy.pictures.draw import OKABE_ITO, Pixels, enlarged, middle_slices, shaded, to_bytes

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
