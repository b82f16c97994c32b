"""Keys that came after the first kept results."""

from __future__ import annotations

from typing import Any

ADDED: dict[str, Any] = {
    "data.missing_label": "fault",
    "data.instances": None,
    "data.shared": [],
    "data.finding": None,
}
"""Key -> its first default, with which it does not enter a hash."""
