"""Atomic writing of files: whole or absent, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def write_whole(path: Path, content: bytes, lasting: bool = True) -> Path:
    """Write a file atomically: a temporary file beside it replaces it once it is on the disk.

    If the process is killed, the old or the new file is there, also if other processes write it. A missing
    folder is created.

    Args:
        path: The file.
        content: Its bytes.
        lasting: Wait for the disk, so that a power cut leaves the old or the new file. Without, it may leave
            a damaged one: for files that are checked when they are read, and made again.

    Returns:
        The path.

    Raises:
        OSError: If the file cannot be written; the error names `path`, and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if lasting:
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
