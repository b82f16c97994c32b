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


def differences(values: np.ndarray, limit: float) -> np.ndarray:
    """Draw signed differences [n, *spatial]: black where there is none, `limit` and more in full colour.

    Args:
        values: Differences in the target's units.
        limit: Difference of full colour, above 0.

    Returns:
        RGB tiles uint8 [n, height, width, 3].
    """
    tiles = []
    for plane in middle_slices(values):
        shade = enlarged(np.clip(np.nan_to_num(plane) / limit, -1, 1), order=0)
        pixels = np.clip(shade, 0, 1)[..., None] * np.array(ABOVE, np.float64)
        tiles.append(to_bytes(pixels + np.clip(-shade, 0, 1)[..., None] * np.array(BELOW, np.float64)))
    return np.stack(tiles)


def legend(limit: float) -> dict[str, Rgb]:
    """Return the legend below a column of differences, in the target's units.

    Example:
        >>> list(legend(500.0))
        ['+500, too bright', '0', '-500, too dark']
    """
    return {f"+{limit:g}, too bright": ABOVE, "0": (0, 0, 0), f"-{limit:g}, too dark": BELOW}


def paired_columns(
    ours: np.ndarray,
    truth: np.ndarray,
    limit: float,
    window: tuple[float, float] | None,
    of: str = "",
    inside: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Draw translation, truth and their difference: in grey, or three channels in colour.

    Args:
        ours: Translation [1 or 3, *spatial] in the target's units.
        truth: Target of the same shape and units.
        limit: Difference of full colour.
        window: Black and white; None for the 0.5th and 99.5th percentile of the truth.
        of: Ending of the columns' names.
        inside: Region of the scores [*spatial], bool; the difference is drawn there alone. None: everywhere.

    Returns:
        Column to one tile.
    """
    ends = window or percentiles(truth)
    values = (ours - truth).mean(0)
    difference = differences((values if inside is None else np.where(inside, values, 0.0))[None], limit)
    return {
        f"ours{of}": shown(ours[None], ends),
        f"truth{of}": shown(truth[None], ends),
        f"{DIFFERENCE}{of}": difference,
    }


def unpaired_columns(
    image: np.ndarray, ours: np.ndarray, example: np.ndarray | None, back: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Draw a case without a target of its own: translation, example, and the translation taken back.

    Args:
        image: Source image [1 or 3, *spatial].
        ours: Translation [1 or 3, *spatial] in the network's units.
        example: Image of the target side of another case, like the translation; None if there is none.
        back: Translation taken back, like the image; None if the method has no way back.

    Returns:
        Column to one tile.
    """
    ends = percentiles(ours if example is None else example)
    columns: Mapping[str, np.ndarray | None] = {
        "ours": shown(ours[None], ends),
        EXAMPLE: None if example is None else shown(example[None], ends),
        CYCLE: None if back is None else shown(back[None], percentiles(image)),
    }
    return {name: tile for name, tile in columns.items() if tile is not None}


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Return black and white of an image: its 0.5th and its 99.5th percentile."""
    low, high = np.percentile(values, (0.5, 99.5))
    return float(low), float(high)
