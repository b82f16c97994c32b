"""From a scanner's units to a network's, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from src.errors import UserError

Intensity = str | Sequence[float] | None
"""`zscore`, `percentile` (1st to 99th onto 0..1), `range` (minimum to maximum onto 0..1),
`percentile:LO:HI`, a window [lo, hi] in the image's units onto 0..1, or none: unchanged."""


def mapping(image: np.ndarray, intensity: Intensity) -> tuple[float, float]:
    """(offset, scale) of one case [C,*spatial]: what the network sees is (image - offset) / scale.

    One pair for all the channels. Values are never clipped, so image = seen * scale + offset is the way
    back. A constant image gets the scale 1.
    """
    if intensity is None or intensity == "none":
        return 0.0, 1.0
    if intensity == "zscore":
        offset, scale = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
    else:
        low, high = _window(image, intensity)
        offset, scale = low, high - low
    return offset, scale if scale > 0 else 1.0


def _window(image: np.ndarray, intensity: str | Sequence[float]) -> tuple[float, float]:
    if intensity == "range":
        return float(image.min()), float(image.max())
    if isinstance(intensity, str):
        if found := re.fullmatch(r"percentile(?::([\d.]+):([\d.]+))?", intensity):
            low, high = np.percentile(image, [float(found[1] or 1), float(found[2] or 99)])
            return float(low), float(high)
    elif len(intensity) == 2 and intensity[0] < intensity[1]:
        return float(intensity[0]), float(intensity[1])
    shown = intensity if isinstance(intensity, str) else list(intensity)
    raise UserError(
        f"data.intensity={shown}: choose zscore, percentile, percentile:LO:HI, range, none, "
        "or a window [low,high]"
    )
