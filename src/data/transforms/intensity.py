"""Normalisation of intensities, and the way back."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Intensity = str | Sequence[Any] | None
"""`zscore`, `percentile` (1st to 99th onto 0..1), `percentile:LO:HI`, `range` (minimum to maximum onto 0..1),
a window [low, high] in the image's units onto 0..1, or none (unchanged); or a list of these, one for each
channel. Two numbers are always a window."""

ROUNDING = 1e-12
"""Deviation of a constant image, relative to its mean, that is rounding of float64 alone."""
Values = TypeVar("Values", np.ndarray, "Tensor")


def units(
    image: np.ndarray, intensity: Intensity, key: str = "data.intensity"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (offset, scale) of one case, each [1] for all channels, or [C] with a setting for each channel.

    Args:
        image: [C,*spatial].
        intensity: the setting, or one for each channel.
        key: the setting's key, for messages.

    Raises:
        UserError: a setting is invalid, or their number is not that of the channels.
    """
    settings = one_each(intensity)
    if settings is None:
        offset, scale = mapping(image, intensity, key)
        return np.array([offset]), np.array([scale])
    as_many(intensity, len(image), key)
    pairs = [mapping(image[c : c + 1], setting, key) for c, setting in enumerate(settings)]
    return np.array([offset for offset, _ in pairs]), np.array([scale for _, scale in pairs])


def as_many(intensity: Intensity, channels: int, key: str) -> None:
    """Check that a list of settings has one for each channel.

    Args:
        intensity: the setting, or a list of settings.
        channels: number of channels.
        key: the setting's key, for messages.

    Raises:
        UserError: the numbers differ.
    """
    settings = one_each(intensity)
    if settings is not None and len(settings) != channels:
        raise UserError(
            f"{key}={shown(intensity)}: {len(settings)} settings for {channels} channels; give one for each, "
            "or a single one for all"
        )


def mapping(image: np.ndarray, intensity: Intensity, key: str = "data.intensity") -> tuple[float, float]:
    """Return (offset, scale) of one case; the network's input is (image - offset) / scale.

    Values are never clipped, so image = input * scale + offset is the way back. A constant image gets the
    scale 1.

    Args:
        image: [C,*spatial]; all channels together give one pair.
        intensity: a single setting.
        key: the setting's key, for messages.

    Raises:
        UserError: the setting is invalid.
    """
    if intensity is None or intensity == "none":
        return 0.0, 1.0
    if intensity == "zscore":
        offset, scale = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
    else:
        low, high = _window(image, intensity, key)
        offset, scale = low, high - low
    return offset, scale if scale > ROUNDING * abs(offset) else 1.0


def one_each(intensity: Intensity) -> list[Any] | None:
    """Return the list of settings if there is one for each channel; None for a single setting."""
    if intensity is None or isinstance(intensity, str) or ends(intensity) is not None:
        return None
    return list(intensity)


def ends(intensity: Any) -> tuple[float, float] | None:
    """Return the two numbers of a window; None for any other setting."""
    if isinstance(intensity, str) or not isinstance(intensity, Sequence) or len(intensity) != 2:
        return None
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in intensity):
        return None
    return float(intensity[0]), float(intensity[1])


def in_units(images: Values, offset: Values, scale: Values, stacked: bool = False) -> Values:
    """Return normalised images of one case in the case's own units.

    Args:
        images: [C,*spatial], or a stack [N,C,*spatial]; array or tensor.
        offset: [1] or [C], as returned by `units`.
        scale: [1] or [C], as returned by `units`.
        stacked: the images are a stack.
    """
    dims = images.ndim - (2 if stacked else 1)
    values: Values = images * column(scale, dims) + column(offset, dims)
    return values


def column(numbers: Values, dims: int) -> Values:
    """Return numbers [1] or [C] as [C, 1, ...], for images with `dims` spatial axes."""
    return numbers.reshape(-1, *[1] * dims)


def shown(intensity: Any) -> str:
    """Return a setting as it is typed."""
    if isinstance(intensity, str) or not isinstance(intensity, Sequence):
        return "none" if intensity is None else str(intensity)
    return f"[{','.join(shown(part) for part in intensity)}]"


def _window(image: np.ndarray, intensity: Any, key: str) -> tuple[float, float]:
    if intensity == "range":
        return float(image.min()), float(image.max())
    if isinstance(intensity, str):
        found = re.fullmatch(r"percentile(?::([\d.]+):([\d.]+))?", intensity)
        if found and 0 <= float(found[1] or 1) < float(found[2] or 99) <= 100:
            low, high = np.percentile(image, [float(found[1] or 1), float(found[2] or 99)])
            return float(low), float(high)
    else:
        pair = ends(intensity)
        if pair and pair[0] < pair[1] and all(map(math.isfinite, pair)):
            return pair
    raise UserError(
        f"{key}={shown(intensity)}: choose zscore, percentile, percentile:LO:HI, range, none, "
        "a window [low,high], or a list of one of these for each channel"
    )
