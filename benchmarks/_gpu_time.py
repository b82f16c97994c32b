"""The time that a section of gpu.py has: the end of a ladder is left out, so that its beginning is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Case = TypeVar("Case")
SHARE = 0.75
"""Part of a section's time after which no case is begun."""

_until, _left_out = math.inf, 0


def allow(seconds: float) -> None:
    """Begin no case of `in_time` after most of so many seconds."""
    global _until, _left_out
    _until, _left_out = time.monotonic() + SHARE * seconds, 0


def in_time(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases for which there is time, and count the others."""
    global _left_out
    for case in cases:
        if time.monotonic() > _until:
            _left_out += 1
        else:
            yield case


def left_out() -> str:
    """Return a line that says how many cases were left out; "" if none were."""
    return f"\n\n{_left_out} more cases were left out: the time was spent." if _left_out else ""
