"""Atomic writing of files: whole or absent, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file atomically: a temporary file beside it replaces it once it is on the disk.

    If the process is killed, the old or the new file is there, also if other processes write it. A missing
    folder is created.

    Raises:
        OSError: If the file cannot be written; the error names `path`, and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that is gone, or became read-only
            temporary.unlink(missing_ok=True)
    return path


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, so that a file that was renamed there stays."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
