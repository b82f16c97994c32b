"""`task.data_range`: the range that PSNR and SSIM relate errors to."""

from __future__ import annotations

from typing import Any

from ganatomy.data.transforms.intensity import ends
from ganatomy.errors import UserError


def span_of(data_range: float | list[Any] | str | None) -> float | list[float | None] | None:
    """Return a data range as one number, a list of them per channel, or None for each case's own range."""
    if isinstance(data_range, list):
        pair = ends(data_range)
        return pair[1] - pair[0] if pair else [_number(part) for part in data_range]
    return _number(data_range)


def _number(data_range: Any) -> float | None:
    if pair := ends(data_range):
        return pair[1] - pair[0]
    if isinstance(data_range, int | float):
        if data_range <= 0:
            raise UserError(f"task.data_range: {data_range}; must be above 0")
        return float(data_range)
    return None
