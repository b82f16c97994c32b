"""Cache of prepared cases in memory or on disk."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from ganatomy.data.io.cases import CaseFiles, write
from ganatomy.data.records import PICTURES, Case, Record

log = logging.getLogger(__name__)
Kind = Literal["memory", "disk", "none"]
READERS = 2
"""Part of the cache keys, of no hash: increase it when files are read, checked or prepared differently."""


class Cache:
    """Cache that makes each case once, as long as there is room.

    In memory it is filled before the workers fork, which then share it. On disk there is one file per case,
    written atomically and memory-mapped by every process of the machine; a damaged one is made again.

    Args:
        make: returns the prepared case of a record.
        key: returns a text that changes whenever that case would; called once per record, as the data of
            a run must not change.
        kind: `memory`, `disk` or `none`.
        folder: parent of the folder `cases`; None: ~/.cache/ganatomy.
        limit_gb: maximum size in GiB. Beyond it, memory keeps no more cases, and disk deletes the oldest.
    """

    def __init__(
        self,
        make: Callable[[Record], Case],
        key: Callable[[Record], str],
        kind: Kind = "memory",
        folder: Path | None = None,
        limit_gb: float = 8.0,
    ) -> None:
        self.make, self.key, self.kind, self.limit = make, key, kind, int(limit_gb * 2**30)
        self.folder = (folder or Path.home() / ".cache/ganatomy") / "cases"
        self.kept: dict[str, Case] = {}
        self.names: dict[int, str] = {}
        self.reader = CaseFiles(mapped_only=PICTURES)
        self.files = self._files() if kind == "disk" else {}
        self.size = sum(self.files.values())

    def get(self, record: Record, z: int | None = None) -> Case:
        """Return a prepared case; with `z`, slice z of its stack of slices."""
        case = self.view(record, z)
        return {key: np.array(array) for key, array in case.items()} if self.kind == "disk" else case

    def view(self, record: Record, z: int | None = None) -> Case:
        """Return what `get` returns; pictures on disk are mapped, and only what is used of them is read.

        A caller that keeps them keeps their file mapped.
        """
        if self.kind == "disk":
            return self._from_disk(record, z)
        case = self.kept.get(record.case) or self.make(record)
        if self.kind == "memory" and record.case not in self.kept:
            self._keep(record.case, case)
        return case if z is None else one_slice(case, z)

    def has(self, record: Record) -> bool:
        """Return True if the case is in the cache."""
        return record.case in self.kept if self.kind == "memory" else self._path(record) in self.files

    def name(self, record: Record) -> str:
        """Return a short hash of the record's key as it was at the first call."""
        number = hash(repr(record))
        if number not in self.names:
            self.names[number] = self._name(record)
        return self.names[number]

    def holds(self, record: Record) -> bool:
        """Return True if the record's key has not changed since the first call of `name`."""
        return self._name(record) == self.name(record)

    def put(self, record: Record, case: Case) -> None:
        """Keep a case that was made outside the cache."""
        if self.kind == "memory":
            self._keep(record.case, case)
        elif self.kind == "disk":
            self._write(self._path(record), case)

    @property
    def room(self) -> str:
        """Return the kind, the size and the size limit, as text."""
        return f"{self.kind}, {self.size / 2**30:.2f} of {self.limit / 2**30:g} GB"

    def _keep(self, name: str, case: Case) -> None:
        size = nbytes(case)
        if self.size + size <= self.limit:
            self.kept[name] = case
            self.size += size

    def _from_disk(self, record: Record, z: int | None) -> Case:
        path = self._path(record)
        try:
            case = self.reader.mapped(path)
            return case if z is None else one_slice(case, z)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as damage:
            log.warning("cache: a damaged entry was made again (%s)", damage)
        case = self.make(record)
        if self.holds(record):
            self._write(path, case)
        else:
            log.warning("cache: %s changed since the start; not kept", record.case)
        return case if z is None else one_slice(case, z)

    def _write(self, path: Path, case: Case) -> None:
        size = nbytes(case)
        while self.files and self.size + size > self.limit:
            oldest = next(iter(self.files))
            oldest.unlink(missing_ok=True)
            self.size -= self.files.pop(oldest)
        if size <= self.limit:
            write(path, case)
            self.files[path] = size
            self.size += size

    def _path(self, record: Record) -> Path:
        return self.folder / f"{self.name(record)}.safetensors"

    def _name(self, record: Record) -> str:
        key = f"{READERS} {self.key(record)}".encode(errors="surrogateescape")
        return hashlib.sha256(key).hexdigest()[:32]

    def _files(self) -> dict[Path, int]:
        """Return the sizes of the cached files, oldest first; remove leftovers of killed processes."""
        for leftover in self.folder.glob(f"*.{socket.gethostname()}-*.tmp"):
            if not _alive(int(leftover.stem.rpartition("-")[2])):
                leftover.unlink(missing_ok=True)
        stats = [(path, path.stat()) for path in self.folder.glob("*.safetensors")]
        return {path: stat.st_size for path, stat in sorted(stats, key=lambda item: item[1].st_mtime_ns)}


def one_slice(case: Case, z: int) -> Case:
    """Return slice z of a stack of slices."""
    return {key: value[z] if key in PICTURES else value for key, value in case.items()}


def nbytes(case: Case) -> int:
    """Return the size of a case's arrays in bytes."""
    return sum(array.nbytes for array in case.values())


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
