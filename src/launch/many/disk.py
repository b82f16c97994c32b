"""Disk space of many runs: what those that ended take, and what all of them will."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ganatomy.runs.checkpoints.thinning import Keep, thin
from ganatomy.text.sizes import bytes_text


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
                f"disk: each {self.what} takes {bytes_text(each)}, {self.total} take "
                f"{bytes_text(self.total * each)}; {bytes_text(free)} are free"
            )
        if need > free and not self.warned:
            hint = ", or take keep=best or keep=none" if self.keep == "all" else ""
            lines.append(
                f"warning: {bytes_text(need)} are needed for the {left} {self.what}s to come, and the disk "
                f"of {self.root} has {bytes_text(free)} free; make room{hint}"
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
        return f"disk: {names}, {bytes_text(sum(sizes))}{kept}"
