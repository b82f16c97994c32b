"""Optuna's journal file with a checksum in every line, so that a damaged one is noticed and named."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import warn_once

CHECKSUM = "crc32"
"""Key of a line's checksum. Optuna, and its dashboard, read the keys they know and skip it."""


class CheckedJournal(JournalFileBackend):
    """Backend of a study in one file; lines that others wrote have no checksum and are read as they are.

    Optuna appends to a line that a full disk has cut, after which neither can be read; here such a line, of
    which nobody was told, is dropped first (Optuna 5.0.0).
    """

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, JournalFileSymlinkLock(str(path))
        super().__init__(str(path), lock_obj=self.lock)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from a number on; UserError for one that is not as it was written."""
        number = log_number_from
        try:
            for entry in super().read_logs(log_number_from):
                self._check(entry, number)
                yield entry
                number += 1
        except (ValueError, KeyError) as error:
            raise self._damaged(number) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, each with its checksum."""
        lines = [_text({**entry, CHECKSUM: zlib.crc32(_text(entry).encode())}) for entry in logs]
        self.lock.acquire()
        try:
            with self.path.open("rb+") as file:
                if file.seek(0, os.SEEK_END) and not self._ends(file):
                    file.seek(0)
                    file.seek(file.truncate(file.read().rfind(b"\n") + 1))
                    warn_once(f"{self.path}: its last line was cut and is dropped")
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        finally:
            self.lock.release()

    @staticmethod
    def _ends(file: BinaryIO) -> bool:
        """Return True if the last byte ends a line; the file is at its end before and after."""
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"

    def _check(self, entry: dict[str, Any], number: int) -> None:
        """Take the checksum out of an entry; UserError if it is not that of the rest."""
        if not isinstance(entry, dict) or not entry:
            raise self._damaged(number)
        name = next(reversed(entry))
        fits = entry[name] == zlib.crc32(_text({key: entry[key] for key in entry if key != name}).encode())
        if fits != (name == CHECKSUM):  # not the sum of the rest, or under a damaged name
            raise self._damaged(number)
        entry.pop(CHECKSUM, None)

    def _damaged(self, number: int) -> UserError:
        return UserError(
            f"{self.path}: line {number + 1} is damaged; put back a copy of yours, or begin another study "
            "(study=NAME); the runs in trials/ stay as they are"
        )


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"))
