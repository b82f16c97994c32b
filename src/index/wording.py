"""Short texts for the table and the page."""

from __future__ import annotations

import time

from ganatomy.index.rows import Row
from ganatomy.text.names import printable


def took(seconds: float) -> str:
    """Return a duration.

    Example:
        >>> took(42), took(600), took(7300)
        ('42 s', '10 min', '2.0 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def date_text(begun: float) -> str:
    """Return date and time; empty for a time that no calendar has."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(begun))
    except (ValueError, OverflowError, OSError):
        return ""


def steps_text(row: Row) -> str:
    """Return the steps of a finished run, or those planned."""
    if row.steps is None:
        return ""
    return str(row.steps) if row.state in ("done", "game") else f"of {row.steps}"


def middle_out(text: str, most: int) -> str:
    """Return a text without its middle where it is longer than `most` characters, hidden ones as escapes.

    Example:
        >>> middle_out("experiments/denoise/seed_0", 15)
        'experim…/seed_0'
    """
    shown = printable(text)
    if len(shown) <= most:
        return shown
    return f"{shown[: most // 2]}…{shown[len(shown) - (most - most // 2 - 1) :]}"
