"""Prepared cases, kept in memory, on disk, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from src.data.records import Case, Record

log = logging.getLogger(__name__)
Kind = Literal["memory", "disk", "none"]


class Cache:
    """Makes each case once, as long as there is room.

    memory: filled by `get` before the workers fork, which then share it. disk: one file a case, written
    whole or not at all and mapped into memory by every process of the machine that reads it; a damaged
    one is made anew.

    make: what a record's prepared case is. key: changes whenever that would. limit_gb: beyond it, memory
    stops keeping and disk deletes what was written longest ago.
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
        self.size = 0

    def get(self, record: Record) -> Case:
        if self.kind == "none":
            return self.make(record)
        return self._from_memory(record) if self.kind == "memory" else self._from_disk(record)

    def _from_memory(self, record: Record) -> Case:
        if record.case in self.kept:
            return self.kept[record.case]
        case = self.make(record)
        size = sum(array.nbytes for array in case.values())
        if self.size + size <= self.limit:
            self.kept[record.case] = case
            self.size += size
        return case

    def _from_disk(self, record: Record) -> Case:
        path = self.folder / f"{hashlib.sha256(self.key(record).encode()).hexdigest()[:32]}.safetensors"
        try:
            return read(path)
        except FileNotFoundError:
            pass
        except (SafetensorError, OSError, ValueError) as damage:
            log.warning("cache: made a damaged entry anew (%s)", damage)
        case = self.make(record)
        write(path, case)
        return case


def read(path: Path) -> Case:
    """Arrays of a case; raises when the file is absent, cut short, or its checksum differs."""
    with safe_open(path, framework="np") as file:
        case = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if file.metadata().get("crc32") != _checksum(case):
            raise ValueError(f"{path.name}: wrong checksum")
    return case


def write(path: Path, case: Case) -> None:
    """Whole or not at all, also when the machine stops half way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    arrays = {key: np.asarray(value, order="C") for key, value in case.items()}
    try:
        with temporary.open("wb") as file:
            file.write(save(arrays, {"crc32": _checksum(arrays)}))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum(case: Case) -> str:
    total = 0
    for key in sorted(case):
        total = zlib.crc32(case[key].reshape(-1).view(np.uint8).data, total)
    return str(total)
