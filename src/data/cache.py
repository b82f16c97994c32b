"""Prepared cases, kept in memory, on disk, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ganatomy.data.records import Case, Record
from ganatomy.files import write_whole

log = logging.getLogger(__name__)
Kind = Literal["memory", "disk", "none"]
SLICED = ("image", "target", "label")
READERS = 2
"""Part of the keys, and of no hash: raise it when a file comes to be read, checked or prepared otherwise."""


class Cache:
    """Makes each case once, as long as there is room.

    memory: filled before the workers fork, which then share it. disk: one file a case, written whole or
    not at all and mapped by every process of the machine that reads it; a damaged one is made anew.

    make: what a record's prepared case is. key: changes whenever that would; asked for once, as the data of
    a run are those that it began with. limit_gb: beyond it, memory stops keeping, and disk deletes what was
    written longest ago.
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
        self.sound: set[Path] = set()
        self.files = self._files() if kind == "disk" else {}
        self.size = sum(self.files.values())

    def get(self, record: Record, z: int | None = None) -> Case:
        """A prepared case; with `z`, its pictures are slice z of the stack alone."""
        if self.kind == "disk":
            return self._from_disk(record, z)
        case = self.kept.get(record.case) or self.make(record)
        if self.kind == "memory" and record.case not in self.kept:
            self._keep(record.case, case)
        return case if z is None else one_slice(case, z)

    def has(self, record: Record) -> bool:
        """Whether the case need not be made."""
        return record.case in self.kept if self.kind == "memory" else self._path(record) in self.files

    def name(self, record: Record) -> str:
        """A short name of the record's key, as it was at first."""
        known = hash(repr(record))
        if known not in self.names:
            self.names[known] = self._name(record)
        return self.names[known]

    def holds(self, record: Record) -> bool:
        """Whether the record's key is still what it was at first."""
        return self._name(record) == self.name(record)

    def put(self, record: Record, case: Case) -> None:
        """Keep a case that was made elsewhere."""
        if self.kind == "memory":
            self._keep(record.case, case)
        elif self.kind == "disk":
            self._write(self._path(record), case)

    @property
    def room(self) -> str:
        """What the cache takes of what it may take."""
        return f"{self.kind}, {self.size / 2**30:.2f} of {self.limit / 2**30:g} GB"

    def _keep(self, name: str, case: Case) -> None:
        size = nbytes(case)
        if self.size + size <= self.limit:
            self.kept[name] = case
            self.size += size

    def _from_disk(self, record: Record, z: int | None) -> Case:
        path = self._path(record)
        try:
            return self._read(path, z)
        except FileNotFoundError:
            pass
        except (SafetensorError, OSError, ValueError) as damage:
            log.warning("cache: made a damaged entry anew (%s)", damage)
        case = self.make(record)
        if self.holds(record):
            self._write(path, case)
        else:
            log.warning("cache: %s changed since the start", record.case)
        return case if z is None else one_slice(case, z)

    def _read(self, path: Path, z: int | None) -> Case:
        """The whole file is held against its checksum once a process; after that a slice costs a slice."""
        if z is None or path not in self.sound:
            case = read(path)
            self.sound.add(path)
            return case if z is None else one_slice(case, z)
        return read(path, z)

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
        """What is there already, oldest first; what a killed process left half written is removed."""
        for rest in self.folder.glob(f"*.{socket.gethostname()}-*.tmp"):
            if not _alive(int(rest.stem.rpartition("-")[2])):
                rest.unlink(missing_ok=True)
        stats = [(path, path.stat()) for path in self.folder.glob("*.safetensors")]
        return {path: stat.st_size for path, stat in sorted(stats, key=lambda item: item[1].st_mtime_ns)}


def one_slice(case: Case, z: int) -> Case:
    return {key: value[z] if key in SLICED else value for key, value in case.items()}


def nbytes(case: Case) -> int:
    return sum(array.nbytes for array in case.values())


def read(path: Path, z: int | None = None) -> Case:
    """Arrays of a case, or of one slice of it; raises when the file is absent, cut short, or (whole) its
    checksum differs."""
    with safe_open(path, framework="np") as file:
        keys = list(file.keys())
        if z is not None:
            return {k: file.get_slice(k)[z] if k in SLICED else file.get_tensor(k) for k in keys}
        case = {key: file.get_tensor(key) for key in keys}
        if (file.metadata() or {}).get("crc32") != _checksum(case):
            raise ValueError(f"{path.name}: wrong checksum")
    return case


def write(path: Path, case: Case) -> None:
    """The file that `read` reads."""
    arrays = {key: np.asarray(value, order="C") for key, value in case.items()}
    write_whole(path, save(arrays, {"crc32": _checksum(arrays)}))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _checksum(case: Case) -> str:
    total = 0
    for key in sorted(case):
        total = zlib.crc32(case[key].reshape(-1).view(np.uint8).data, total)
    return str(total)
