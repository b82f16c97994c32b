"""Plain values in the grammar of Hydra's command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def text_of(value: Any) -> str:
    """Write a plain value as a word of the command line may hold it behind its `=`.

    Example:
        >>> text_of({"sides": [1, 2.5], "name": "a b", "off": None})
        "{sides: [1, 2.5], name: 'a b', off: null}"
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def quoted(text: str) -> str:
    """Quote a text for Hydra's grammar; backslashes are escaped only before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"
