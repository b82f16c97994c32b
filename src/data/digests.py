"""SHA-256 of files, each file read once: a digest is remembered for as long as its file stays as it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from pathlib import Path

from src.files import write_whole

log = logging.getLogger(__name__)
State = tuple[int, int, int, int, int]
SETTLED = 2.0
"""Seconds since its last change from which a file is trusted: a further change would show in its dates, which
some file systems count no finer."""
EVERY = 30.0
"""Seconds after which what was found is written down, should the process be killed later."""
STORES, ROWS = 500, 1_000_000
"""Most data sets that are remembered, and most files of one."""


class Digests:
    """The digest of each file of a data set, `digests(path)`.

    Remembered below `folder` under the file's path, device, inode, size and both dates: editing a file in
    place, and setting its date back, changes the last (ctime), putting another one there the inode. A file
    that was changed a moment ago is read again the next time. What is damaged, or written by another process
    at the same time, is lost and found anew.

    folder: None remembers in this process alone. root: of the data set.
    """

    def __init__(self, folder: Path | None = None, root: Path | str = "") -> None:
        name = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:32]
        self.path = folder / "digests" / f"{name}.json" if folder else None
        self.found: dict[str, tuple[State, str]] = {}
        self.kept: dict[str, tuple[State, str]] | None = None
        self.saved, self.new = time.monotonic(), False

    def __call__(self, path: Path) -> str:
        """Hexadecimal digits. Raises OSError for a file that cannot be read."""
        name, stat = str(path.absolute()), path.stat()
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
        """Write down what is new, beside what other processes wrote of files that are still there."""
        if self.path is None or not self.new:
            return
        others = {name: row for name, row in self._read().items() if name not in self.found}
        others = {name: row for name, row in others.items() if Path(name).exists()}
        rows = list((others | self.found).items())[-ROWS:]
        text = json.dumps({name: [*row[0], row[1]] for name, row in rows}).encode()
        try:
            write_whole(self.path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            trim(self.path.parent, STORES)
        except OSError as error:  # no room, or not ours to write: the next start reads the files again
            log.info("digests of the files are not remembered (%s)", error)
        self.saved, self.new = time.monotonic(), False

    def _read(self) -> dict[str, tuple[State, str]]:
        """What is written down; nothing if it is damaged."""
        try:
            check, text = self.path.read_bytes().split(b"\n", 1) if self.path else (b"", b"")
            if not text or hashlib.sha256(text).hexdigest().encode() != check:
                return {}
            return {name: ((a, b, c, d, e), own) for name, (a, b, c, d, e, own) in json.loads(text).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def state(stat: os.stat_result) -> State:
    """What changes when a file does."""
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def settled(stat: os.stat_result) -> bool:
    """Whether a change from now on would show in the file's dates."""
    now = time.time()
    return now - stat.st_ctime > SETTLED and abs(now - stat.st_mtime) > SETTLED


def trim(folder: Path, most: int) -> None:
    """Keep the `most` JSON files of a folder that were written last."""
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        for path in sorted(folder.glob("*.json"), key=os.path.getmtime)[:-most]:
            path.unlink()
