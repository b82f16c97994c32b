"""State of a run: what its status.json says, and if that still holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganatomy.index.small_files import SmallFiles, text_of
from ganatomy.runs.directory import HEALTHY
from ganatomy.runs.lock import NAME, STALE
from ganatomy.runs.process_identity import UNKNOWN, Holder

STATES = {
    "done": "finished",
    "game": "finished, but its game failed",
    "running": "a process writes there",
    "dead": "says that it runs, but its process is gone",
    "preempted": "was stopped; resume=DIR goes on",
    "failed": "ended with an error",
    "damaged": "its status.json cannot be read",
    "foreign": "its status.json is of another program",
}
"""States, each with what it means."""


def state_of(files: SmallFiles) -> tuple[str, str]:
    """Return the state of a run, and why or which game failed."""
    status, faults = files.read("status.json"), len(files.faults)
    word = status.get("status")
    if not status:
        return "damaged", files.faults[-1] if faults else "status.json says nothing"
    if word not in ("done", "running", "preempted", "failed"):
        return "foreign", "status.json names no status of a run"
    game = text_of(status.get("game"))
    if word == "done" and game not in ("", HEALTHY):
        return "game", game
    return _alive(files) if word == "running" else (word, _reason(status))


def _reason(status: Mapping[str, Any]) -> str:
    return " ".join(text_of(status.get("why")).split())[:200]


def _alive(files: SmallFiles) -> tuple[str, str]:
    """Return `running` or `dead`, by the lock of the run; it is only read."""
    path = files.run / NAME
    try:
        holder = Holder.read(path)
        age = time.time() - path.stat().st_mtime if holder is not None else 0.0
    except OSError:
        return "running", "its lock cannot be read"
    if holder is None:
        if files.has_checksums:
            return "dead", "no process holds its lock"
        return "running", "of a version without locks: perhaps it ended"
    lives = None if holder == UNKNOWN else holder.who.lives()
    if lives:
        return "running", f"process {holder.who.pid}"
    if lives is False:
        return "dead", f"process {holder.who.pid} is gone"
    place = f" on {holder.who.host}" if holder.who.host else ""
    return ("dead", f"no sign{place} for {_long(age)}") if age > STALE else ("running", place.strip())


def _long(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"


def relative(path: Path, root: Path) -> str:
    """Return a run's name: its path below the folder that was searched."""
    return str(path.relative_to(root)) if path != root and path.is_relative_to(root) else path.name
