"""The command line that started this process: as the user typed it, and as child processes are started."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = "ganatomy"


def by_console() -> bool:
    """Return True if `ganatomy <verb>` started this process, not `python -m src.<verb>`."""
    return sys.argv[0].startswith(f"{PROGRAM} ")


def typed(verb: str) -> str:
    """Return the words to type for a command, in the form that the user used."""
    return f"{PROGRAM} {verb}" if by_console() else f"python -m src.{verb}"


def child_command(verb: str) -> list[str]:
    """Return the words that start a command in a child process, with the code that runs here.

    The console command does not import from the current folder first, and neither do its children (-P): a
    folder called ganatomy there would hide the package.
    """
    if not by_console():
        return [sys.executable, "-m", f"ganatomy.{verb}"]
    safe = [] if sys.path[0] in ("", str(Path.cwd())) else ["-P"]
    return [sys.executable, *safe, "-m", PROGRAM, verb]


def shown(path: Path) -> str:
    """Return a path relative to the current folder if it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
