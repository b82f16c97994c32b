"""Disk space of many runs: what those that ended take, and what all of them will."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ganatomy.runs.checkpoints.thinning import Keep, thin


def taken(folder: Path) -> int:
    """Return the bytes of disk that a folder takes, as `du` counts them."""
    total, folders = 0, [folder]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                with contextlib.suppress(OSError):  # it is gone already
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def shown(size: float) -> str:
    """Return a number of bytes for a reader.

    Example:
        >>> shown(3.14e9), shown(6.2e6), shown(20_480)
        ('3.1 GB', '6.2 MB', '20 kB')
    """
    value, unit = next(
        ((size / step, unit) for step, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if size >= step),
        (size / 1e3, "kB"),
    )
    return f"{value:.1f} {unit}" if value < 10 and unit != "kB" else f"{value:.0f} {unit}"


class Budget:
    """Forecast and sum of the disk space of runs, from those that have ended.

    Args:
        what: What the runs are called, e.g. "trial".
        total: How many there will be.
        at_once: How many run at a time; while one runs, it has all of its checkpoints.
        keep: The checkpoints that stay.
        root: Folder on the disk they are written to.
    """

    def __init__(self, what: str, total: int, at_once: int, keep: Keep, root: Path) -> None:
        self.what, self.total, self.at_once, self.keep, self.root = what, total, at_once, keep, root
        self.sizes: list[int] = []
        self.of_failed: list[int] = []
        self.largest = 0
        self.said = self.warned = False

    def failed(self, folder: Path) -> None:
        """Count one that failed; nothing is removed, as somebody may look into it."""
        if folder.is_dir():
            self.of_failed.append(taken(folder))

    def ended(self, folder: Path, runs: Sequence[Path]) -> None:
        """Count one that has ended, having removed the checkpoints that do not stay.

        Args:
            folder: Folder with all that it wrote; one on another machine's disk counts for nothing.
            runs: Its run directories.
        """
        if folder.is_dir():
            self.largest = max(self.largest, taken(folder))
            for run in runs:
                thin(run, self.keep)
            self.sizes.append(taken(folder))

    def forecast(self) -> list[str]:
        """Return what all will take, once, and a warning, once, where the disk is too small."""
        left = self.total - len(self.sizes) - len(self.of_failed)
        if left < 1 or not self.sizes:
            return []
        each = sum(self.sizes) / len(self.sizes)
        need = left * each + min(left, self.at_once) * (self.largest - each)
        free = shutil.disk_usage(self.root).free
        lines = []
        if not self.said:
            lines.append(
                f"disk: each {self.what} takes {shown(each)}, {self.total} take {shown(self.total * each)}; "
                f"{shown(free)} are free"
            )
        if need > free and not self.warned:
            hint = ", or take keep=best or keep=none" if self.keep == "all" else ""
            lines.append(
                f"warning: {shown(need)} are needed for the {left} {self.what}s to come, and the disk of "
                f"{self.root} has {shown(free)} free; make room{hint}"
            )
            self.warned = True
        self.said = True
        return lines

    def closing(self) -> str:
        """Return what the runs take, in a line; empty without runs."""
        sizes = [*self.sizes, *self.of_failed]
        if not sizes:
            return ""
        names = f"{len(sizes)} {self.what}{'s' * (len(sizes) > 1)}"
        kept = "" if self.keep == "all" else f" (keep={self.keep})"
        return f"disk: {names}, {shown(sum(sizes))}{kept}"
