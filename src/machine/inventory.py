"""Processors, memory, cards and disk that a run could use here, without names of machine or folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files that hold the memory limit of a container, of both versions of control groups."""
UNLIMITED = 2**60
"""Bytes from which a limit is none: version 1 writes a large number."""


class Room(NamedTuple):
    """Bytes of a disk, memory or card.

    Attributes:
        free: Bytes that can still be taken.
        total: Bytes in all.
    """

    free: int
    total: int


def processors() -> tuple[int, int]:
    """Return the processors that this process may use, and those of the machine."""
    every = os.cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return (len(affinity(0)) if affinity else every), every


def memory() -> Room | None:
    """Return the memory of the machine, or of its container if that has less; None where it is not told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    free, total = (1024 * kilobytes[name] for name in ("MemAvailable", "MemTotal"))
    limit = min(filter(None, map(_limit, LIMITS)), default=total)
    return Room(min(free, limit), min(total, limit))


def _limit(path: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < UNLIMITED else None


def disk(folder: Path) -> Room | None:
    """Return the disk of a folder; None where it cannot be told."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return None
    return Room(found.free, found.total)


def temporary() -> Path | None:
    """Return the folder of temporary files, None where none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def cards() -> dict[str, Room]:
    """Return the memory of each CUDA card, by its number and name."""
    import torch

    if not torch.cuda.is_available():
        return {}
    numbers = range(torch.cuda.device_count())
    return {f"{n}: {torch.cuda.get_device_name(n)}": Room(*torch.cuda.mem_get_info(n)) for n in numbers}


def devices() -> list[torch.device]:
    """Return the processor and one device of each other kind that torch can compute on here."""
    import torch

    found = [torch.device("cpu")]
    if torch.cuda.is_available():
        found.append(torch.device("cuda", 0))
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return found
