"""Reading of a run's files by any command: checked by checksums.txt, from the copy where damaged."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from ganatomy.runs.integrity.checksums import Damaged, read_checksums, sha256
from ganatomy.runs.integrity.contents import parsed
from ganatomy.runs.integrity.restore import COPIED, COPIES

TRIES, PAUSE = 3, 0.02
"""Times to look at a file that another process may be replacing, and seconds between."""
_said: set[str] = set()


def read_file(run: Path, name: str) -> Any:
    """Return what a file of a run holds (see `contents.parsed`); None if there is none.

    A damaged file of those that have a copy is read from it, with one line.

    Raises:
        Damaged: The file is not as it was written, and there is no sound copy.
    """
    path = run / name
    try:
        content = read_bytes(run, name)
        return None if content is None else _parsed(path, name, content)
    except Damaged as error:
        if name not in COPIED or not (run / COPIES / name).is_file():
            raise
        copied = f"{COPIES}/{name}"
        value = _parsed(run / copied, name, read_bytes(run, copied) or b"")
        warn_once(f"{error}; read from its copy")
        return value


def read_bytes(run: Path, name: str) -> bytes | None:
    """Return the bytes of a file of a run as they were written; None if there is none.

    Raises:
        Damaged: Its SHA-256 is not that of checksums.txt, or it is gone though its copy stands.
    """
    path = run / name
    for last in (*[False] * (TRIES - 1), True):
        content = path.read_bytes() if path.is_file() else None
        try:
            known = (read_checksums(run) or {}).get(name, ())
        except Damaged as error:
            if last:
                warn_once(f"{error}; {name} is read unchecked")
                return content
            known = ("",)
        if content is None and not (run / COPIES / name).is_file():
            return None
        if content is not None and (not known or sha256(content) in known):
            return content
        if not last:
            time.sleep(PAUSE)
    raise Damaged(f"{path}: {'is missing' if content is None else 'is damaged (not what the run wrote)'}")


def warn_once(line: str) -> None:
    """Write a line to stderr, once a process."""
    if line not in _said:
        sys.stderr.write(f"{line}\n")
    _said.add(line)


def _parsed(path: Path, name: str, content: bytes) -> Any:
    try:
        return parsed(name, content)
    except ValueError as error:
        raise Damaged(f"{path}: {error}") from error
