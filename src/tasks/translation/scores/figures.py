"""Columns of a translation's pictures: each side in its own window, differences in the target's units."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ganatomy.pictures import shown
from ganatomy.pictures.draw import OKABE_ITO, Rgb, enlarged, middle_slices, to_bytes

SHARE = 0.2
"""Difference of full colour, as a share of the range of the target's values."""
ABOVE, BELOW = OKABE_ITO[1], OKABE_ITO[0]
DIFFERENCE, CYCLE, EXAMPLE = "ours - truth", "there and back", "another target"


def full_colour(width: float) -> float:
    """Return the difference of full colour: 1, 2 or 5 times a power of ten, near `SHARE` of a width.

    Example:
        >>> full_colour(4095), full_colour(1.0)
        (500.0, 0.2)
    """
    wanted = SHARE * width if width > 0 and math.isfinite(width) else 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(f"{next(m for m in (5, 2, 1) if m * power <= wanted * (1 + 1e-9)) * power:.6g}")


def differences(values: np.ndarray, most: float) -> np.ndarray:
    """Draw signed differences [n, *spatial]: black where there is none, `most` and more in full colour.

    Args:
        values: Differences in the target's units.
        most: Difference of full colour, above 0.

    Returns:
        RGB tiles uint8 [n, height, width, 3].
    """
    tiles = []
    for plane in middle_slices(values):
        shade = enlarged(np.clip(np.nan_to_num(plane) / most, -1, 1), order=0)
        pixels = np.clip(shade, 0, 1)[..., None] * np.array(ABOVE, np.float64)
        tiles.append(to_bytes(pixels + np.clip(-shade, 0, 1)[..., None] * np.array(BELOW, np.float64)))
    return np.stack(tiles)


def legend(most: float) -> dict[str, dict[str, Rgb]]:
    """Return the legend below the column of differences, in the target's units.

    Example:
        >>> list(legend(500.0)[DIFFERENCE])
        ['+500, too bright', '0', '-500, too dark']
    """
    entries = {f"+{most:g}, too bright": ABOVE, "0": (0, 0, 0), f"-{most:g}, too dark": BELOW}
    return {DIFFERENCE: entries}


def paired_columns(
    image: np.ndarray, ours: np.ndarray, truth: np.ndarray, most: float, window: tuple[float, float] | None
) -> dict[str, np.ndarray]:
    """Draw one case that has its own target.

    Args:
        image: Source image [C, *spatial]; its first channel is drawn.
        ours: Translation [K, *spatial] in the target's units.
        truth: Target of the same shape and units.
        most: Difference of full colour.
        window: Black and white of the target's side; None for the 0.5th and 99.5th percentile of the truth.

    Returns:
        Column to one tile.
    """
    drawn = truth if len(truth) == 3 else truth[:1]
    ends = window or tuple(float(value) for value in np.percentile(drawn, (0.5, 99.5)))
    return {
        "input": first(image),
        "ours": first(ours, (ends[0], ends[1])),
        "truth": first(truth, (ends[0], ends[1])),
        DIFFERENCE: differences((ours - truth).mean(0)[None], most),
    }


def unpaired_columns(
    image: np.ndarray, ours: np.ndarray, example: np.ndarray | None, back: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Draw one case without a target of its own.

    Args:
        image: Source image [C, *spatial]; its first channel is drawn.
        ours: Translation [K, *spatial] in the network's units.
        example: Image of the target side [K, *spatial] of another case; None if there is none.
        back: Translation taken back, [C, *spatial]; None if the method has no way back.

    Returns:
        Column to one tile.
    """
    seen = ours if example is None else example
    low, high = (float(value) for value in np.percentile(seen[:1], (0.5, 99.5)))
    columns: Mapping[str, np.ndarray | None] = {
        "input": first(image),
        "ours": first(ours, (low, high)),
        EXAMPLE: None if example is None else first(example, (low, high)),
        CYCLE: None if back is None else first(back, _ends(image)),
    }
    return {name: tile for name, tile in columns.items() if tile is not None}


def first(image: np.ndarray, window: tuple[float, float] | None = None) -> np.ndarray:
    """Draw an image [C, *spatial] as one tile: three channels in colour, else the first in grey."""
    return shown(image[None], window)


def _ends(image: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(image[:1], (0.5, 99.5))
    return float(low), float(high)
