"""Keys that came later: what they were before they were keys."""

from __future__ import annotations

from typing import Any

ADDED: dict[str, Any] = {
    "task.scored": "network",
}
"""Dotted key to what runs did before it: a configuration with this value is hashed as one without the key."""
