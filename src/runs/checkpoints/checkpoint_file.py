"""Checkpoint files: what `torch.load` reads, ended by a SHA-256 that is checked before anything is loaded.

torch writes a zip archive. Its comment, which torch and every zip program skip, holds the checksum of all
bytes before it. Files of earlier versions have no comment: of them the CRC-32 of each member is checked.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch

from ganatomy.errors import UserError

MARK = b"sha256:"
COMMENT = len(MARK) + 2 * hashlib.sha256().digest_size
DIRECTORY_END = b"PK\x05\x06"
"""First bytes of the record that ends a zip archive: 22 bytes, the last two of them the comment's length."""
RECORD = 22
CHUNK = 1 << 20
KEYS: dict[str, type] = {
    "state_dict": dict,
    "batches_done": int,
    "latest": dict,
    "callbacks": dict,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}
"""What every checkpoint of a run holds, and its type."""
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, UnpicklingError, struct.error, EOFError, RuntimeError),
    *(AttributeError, ImportError, LookupError, TypeError, ValueError, OverflowError, AssertionError),
)
"""Errors of torch and zipfile at a file that is no checkpoint, or no longer one."""


MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
"""Errors of the system at a name under which there is no file, or a link that leads nowhere."""


class Damaged(UserError):
    """A file that is not the checkpoint that was written.

    Args:
        path: The file.
        reason: What is wrong with it, as the end of a sentence about it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}; put back a copy of the file, or start the run anew with another run_dir"
        )
        self.path, self.reason = path, reason


def encode(state: dict[str, Any]) -> bytes:
    """Return the content of a checkpoint file: torch's archive with its checksum as comment."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(-2, os.SEEK_END)
    buffer.write(struct.pack("<H", COMMENT))
    with buffer.getbuffer() as content:
        digest = hashlib.sha256(content).hexdigest()
    buffer.write(MARK + digest.encode())
    return buffer.getvalue()


def check(path: Path) -> None:
    """Read a checkpoint file and compare it with its checksum; nothing is loaded.

    Raises:
        Damaged: It is missing, or not as it was written.
    """
    with _opened(path):
        pass


def load(path: Path) -> dict[str, Any]:
    """Check a checkpoint file and load it onto the CPU: tensors and plain values, no other object.

    Raises:
        Damaged: It is missing, not as it was written, or no checkpoint of a run.
    """
    with _opened(path) as file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            reason = "holds more than tensors and plain values, which could run code, and is not loaded"
            raise Damaged(path, reason) from error
        except UNREADABLE as error:
            if "allocate memory" in str(error):
                raise
            raise Damaged(path, "cannot be read by torch; it is damaged, or no checkpoint") from error
    if not isinstance(state, dict):
        raise Damaged(path, "is no checkpoint of a run")
    wrong = [key for key, kind in KEYS.items() if not isinstance(state.get(key), kind)]
    if wrong:
        raise Damaged(path, f"is no checkpoint of a run (it has no {wrong[0]})")
    return state


class _opened:
    """Context of a checkpoint that was found whole: the open file, so what was checked is what is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> BinaryIO:
        try:
            self.file: BinaryIO = self.path.open("rb")
        except OSError as error:
            if error.errno not in MISSING:
                raise
            raise Damaged(self.path, "is missing") from error
        try:
            reason = _fault(self.file)
        except OSError as error:
            self.file.close()
            if error.errno != errno.EIO:
                raise
            raise Damaged(self.path, "cannot be read (the disk reports an error)") from error
        if reason:
            self.file.close()
            raise Damaged(self.path, reason)
        self.file.seek(0)
        return self.file

    def __exit__(self, *error: object) -> None:
        self.file.close()


def _fault(file: BinaryIO) -> str:
    """Return what is wrong with an open checkpoint file, or ""."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return "is empty"
    file.seek(max(0, size - RECORD - COMMENT))
    end = file.read()
    record, comment = end[:RECORD], end[RECORD:]
    if record.startswith(DIRECTORY_END) and record.endswith(struct.pack("<H", COMMENT)):
        whole = comment == MARK + _digest(file, size - COMMENT).encode()
        return "" if whole else "is damaged (its content does not match its checksum)"
    if end[-RECORD:].startswith(DIRECTORY_END) and end.endswith(b"\0\0"):
        return _fault_of_archive(file)
    return "is cut short, or no checkpoint"


def _digest(file: BinaryIO, count: int) -> str:
    """Return the SHA-256 of the first `count` bytes of a file, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while count and (chunk := file.read(min(CHUNK, count))):
        digest.update(chunk)
        count -= len(chunk)
    return digest.hexdigest()


def _fault_of_archive(file: BinaryIO) -> str:
    """Return what is wrong with an archive that has no checksum of its own, or ""."""
    try:
        with zipfile.ZipFile(file) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                return "is no checkpoint"
            damaged = archive.testzip()
    except UNREADABLE:
        return "is damaged, or no checkpoint"
    return f"is damaged (its part {damaged} does not match its checksum)" if damaged else ""
