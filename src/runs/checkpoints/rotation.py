"""Files of the checkpoints: last.ckpt, the ones before it (last-1.ckpt, ...) and best.ckpt.

last.ckpt is the newest, and never absent once it was there: files are written beside, flushed and renamed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from ganatomy.files import sync_folder, write_whole

LAST, BEST = "last.ckpt", "best.ckpt"
EARLIER = re.compile(r"last-(\d+)\.ckpt")


def write(path: Path, content: bytes, keep: int) -> None:
    """Write a checkpoint; one that replaces last.ckpt leaves the `keep - 1` before it as last-1.ckpt, ...

    Args:
        path: File to write.
        content: Its content, by `checkpoint_file.encode`.
        keep: Number of last checkpoints to keep.

    Raises:
        OSError: The file cannot be written; last.ckpt and those before it stay as they were.
    """
    rotated = path.name == LAST
    before = _second_name(path) if rotated and keep > 1 and path.is_file() else None
    try:
        write_whole(path, content)
        if before is not None:
            for number in range(keep - 1, 1, -1):
                with suppress(FileNotFoundError):
                    _earlier(path, number - 1).replace(_earlier(path, number))
            before.replace(_earlier(path, 1))
    finally:
        if before is not None:
            before.unlink(missing_ok=True)
    if rotated:
        for other, number in numbered(path.parent):
            if number >= keep:
                other.unlink(missing_ok=True)
    sync_folder(path.parent)


def rename_to_last(chosen: Path) -> None:
    """Make a checkpoint last.ckpt; best.ckpt also stays what it is."""
    last = chosen.with_name(LAST)
    if chosen.name == BEST:
        _second_name(chosen).replace(last)
    elif chosen.name != LAST:
        chosen.replace(last)


def _earlier(last: Path, number: int) -> Path:
    return last.with_name(f"last-{number}.ckpt")


def numbered(folder: Path) -> list[tuple[Path, int]]:
    """Return last-1.ckpt, last-2.ckpt, ... that are there, newest first, with their numbers."""
    found = [(path, EARLIER.fullmatch(path.name)) for path in folder.glob("last-*.ckpt")]
    return sorted(((path, int(match[1])) for path, match in found if match), key=lambda item: item[1])


def _second_name(path: Path) -> Path:
    """Give a file a second, temporary name: a hard link, or a copy where the file system has none."""
    other = path.with_name(f".{path.name}-before.{socket.gethostname()}-{os.getpid()}.tmp")
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
        with other.open("rb+") as file:
            os.fsync(file.fileno())
    return other
