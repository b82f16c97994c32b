"""Identity of a process that survives reuse of its id."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def whoami(pid: int | None = None) -> str:
    """Return host, process id and start time: a reused id is another process."""
    number = pid or os.getpid()
    return f"{socket.gethostname()} {number} {_begun(number)}"


def _begun(pid: int) -> str:
    """Return the clock ticks since boot at which a process began; empty if unknown."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


def alive(who: str) -> bool | None:
    """Return True if the process still runs; None for a process of another machine."""
    host, pid, begun = who.split(" ")
    if host != socket.gethostname():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _begun(int(pid)) == begun
