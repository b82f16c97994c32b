"""The nearest valid name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return "; did you mean 'lr'?" if a name is near, "; choose from a, b, c" if they are few, else ""."""
    names = sorted({str(item) for item in valid} - {"self", "args", "kwargs"})
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; choose from {', '.join(names)}" if 0 < len(names) <= 12 else ""
