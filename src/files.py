"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file by way of a temporary one beside it, which takes its place when it is on the disk.

    A kill leaves the old file or the new one, whoever else writes it. The folder is made where there is none.

    Raises:
        OSError: naming `path`, where it cannot be written; no temporary file is left.
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
        temporary.unlink(missing_ok=True)
    return path
