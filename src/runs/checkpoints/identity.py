"""Name of a run that its checkpoints carry, so that one of another run is known for what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganatomy.runs.integrity.checked import read_file
from ganatomy.runs.integrity.checksums import Damaged

KEY = "run"
"""Key of the name in environment.json and in each checkpoint."""
DECISIVE = ("seed", "task", "data", "model", "update")
"""Sections of the configuration that make a game what it is: runs that share them have equal weights."""
START: dict[str, Any] = {
    "init_hash": None,
    "init_players": "both",
    "freeze": [],
    "freeze_discriminator": 0,
    "synthetic_hash": None,
    "synthetic_share": 0.5,
}
"""Keys that say what the game starts from and learns from beside `data`, and their values for neither."""


def identify(plain: Mapping[str, Any], data: str) -> str:
    """Return the name of a new run: 16 hexadecimal digits that depend on what is played.

    Args:
        plain: Configuration.
        data: Digest of the data.
    """
    content = [data, {section: plain.get(section) for section in DECISIVE}]
    start = {key: plain[key] for key, usual in START.items() if plain.get(key, usual) != usual}
    content += [start] if start else []
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def recorded(run: Path) -> str:
    """Return the name in environment.json; empty for a run of a version that gave none, or if it is lost."""
    try:
        found = (read_file(run, "environment.json") or {}).get(KEY)
    except Damaged:
        return ""
    return found if isinstance(found, str) else ""


def writer(state: Mapping[str, Any]) -> str:
    """Return the name of the run that wrote a checkpoint; empty for one of a version that gave none."""
    return str(state.get(KEY, ""))


def is_foreign(state: Mapping[str, Any], run: Path) -> bool:
    """Return True if a checkpoint was written by another run than that of a directory.

    Args:
        state: Content of the checkpoint.
        run: Run directory.
    """
    written, own = writer(state), recorded(run)
    return bool(written and own) and written != own
