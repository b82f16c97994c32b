"""Room on the disk for the last words of a run: its status is true even where the disk is full."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from ganatomy.runs.directory import Run, without_nan

NAME = ".reserve"
ROOM = 256 * 1024
"""Bytes kept: status.json and what is written along with it."""


def keep(directory: Path) -> None:
    """Put a file of `ROOM` bytes into a run directory; no bytes that a file system could leave out."""
    with contextlib.suppress(OSError), (directory / NAME).open("wb") as file:
        file.write(os.urandom(ROOM))
        file.flush()
        os.fsync(file.fileno())


def free(directory: Path) -> None:
    """Remove that file again."""
    with contextlib.suppress(OSError):
        (directory / NAME).unlink(missing_ok=True)


def last_status(run: Run, state: str, why: str, **more: Any) -> str:
    """Set the status of a run that ends, using the room that was kept for it.

    Args:
        run: Run directory.
        state: preempted or failed.
        why: The reason.
        more: Further entries.

    Returns:
        Why the status could not be written; empty if it was.
    """
    if not run.is_rank_zero:
        return ""
    free(run.path)
    try:
        run.status(state, why, **more)
    except OSError as error:
        try:
            _write_in_place(run.path / "status.json", {"status": state, "why": why, **more})
        except OSError:
            return f"{run.path / 'status.json'} could not be written ({error.strerror})"
    return ""


def _write_in_place(path: Path, changes: dict[str, Any]) -> None:
    """Write over the bytes of a JSON file, which takes no room where the file does not grow by a block."""
    content: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        content = json.loads(path.read_bytes())
    text = json.dumps(without_nan({**content, **changes}), indent=2).encode()
    with path.open("r+b") as file:
        file.write(text + b"\n")
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
