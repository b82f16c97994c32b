"""SHA-256 of files. Each file is read once: its digest is remembered as long as the file is unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from pathlib import Path

from ganatomy.files import write_whole

log = logging.getLogger(__name__)
State = tuple[int, int, int, int, int]
SETTLED = 2.0
"""Seconds after its last change until a file is trusted.

A later change is then visible in its dates, which are coarse on some file systems.
"""
OTHERS = 10_000
"""Number of digests without a name that are kept, unless twice as many are in use."""
EVERY = 30.0
"""Seconds between saves, in case the process is killed."""
STORES, ROWS = 500, 1_000_000
"""Largest number of data sets that are remembered, and of files per data set."""


class Digests:
    """The digest of each file of a data set: `digests(path)`.

    Digests are stored below `folder` by the file's path, device, inode, size, mtime and ctime: editing a file
    in place and resetting its date changes ctime, replacing it changes the inode. A file that has just
    changed is read again next time. Entries that are damaged, or written by another process at the same time,
    are lost and computed again.

    Args:
        folder: Folder of the stored digests; None keeps them in memory only.
        root: The data set's folder.
        private: Store digests by device and inode alone, without the files' names, which may be those of
            patients.
    """

    def __init__(self, folder: Path | None = None, root: Path | str = "", private: bool = False) -> None:
        self.private = private
        name = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:32]
        self.path = folder / "digests" / f"{name}.json" if folder else None
        self.found: dict[str, tuple[State, str]] = {}
        self.kept: dict[str, tuple[State, str]] | None = None
        self.saved, self.new = time.monotonic(), False

    def __call__(self, path: Path) -> str:
        """Return the digest in hexadecimal. Raises OSError if the file cannot be read."""
        stat = path.stat()
        name = f"{stat.st_dev}-{stat.st_ino}" if self.private else str(path.absolute())
        if self.kept is None:
            self.kept = self._read()
        known = self.found.get(name) or self.kept.get(name)
        if known is None or known[0] != state(stat):
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                known = state(before), hashlib.file_digest(file, "sha256").hexdigest()
                if known[0] != state(os.fstat(file.fileno())) or not settled(before):
                    return known[1]
            self.new = True
        self.found[name] = known
        if self.new and time.monotonic() - self.saved > EVERY:
            self.save()
        return known[1]

    def save(self) -> None:
        """Store new digests, and keep those of other processes whose files still exist."""
        if self.path is None or not self.new:
            return
        others = {name: row for name, row in self._read().items() if name not in self.found}
        if self.private:  # of these nobody can tell which are gone
            others = dict(list(others.items())[-max(OTHERS, 2 * len(self.found)) :])
        else:
            others = {name: row for name, row in others.items() if Path(name).exists()}
        rows = list((others | self.found).items())[-ROWS:]
        text = json.dumps({name: [*row[0], row[1]] for name, row in rows}).encode()
        try:
            write_whole(self.path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            trim(self.path.parent, STORES)
        except OSError as error:  # disk full or not writable: the next start reads the files again
            log.info("digests of the files are not remembered (%s)", error)
        self.saved, self.new = time.monotonic(), False

    def _read(self) -> dict[str, tuple[State, str]]:
        """Return the stored digests; none if they are damaged."""
        try:
            check, text = self.path.read_bytes().split(b"\n", 1) if self.path else (b"", b"")
            if not text or hashlib.sha256(text).hexdigest().encode() != check:
                return {}
            rows = json.loads(text).items()
            return {
                name: ((a, b, c, d, e), own)
                for name, (a, b, c, d, e, own) in rows
                if not (self.private and "/" in name)
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def state(stat: os.stat_result) -> State:
    """Return the properties that change when a file changes."""
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def settled(stat: os.stat_result) -> bool:
    """Return True if a change from now on would be visible in the file's dates."""
    now = time.time()
    return now - stat.st_ctime > SETTLED and abs(now - stat.st_mtime) > SETTLED


def trim(folder: Path, keep: int) -> None:
    """Delete all but the `keep` last written JSON files of a folder."""
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        for path in sorted(folder.glob("*.json"), key=os.path.getmtime)[:-keep]:
            path.unlink()
