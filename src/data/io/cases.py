"""Files of prepared cases: written whole, verified once, read by mapping them into memory."""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ganatomy.data.records import Case
from ganatomy.files import write_whole

KINDS = {"F": "f", "I": "i", "U": "u", "BOOL": "?"}
SMALL = 2**15
"""Bytes up to which an array of a verified file stays in memory: it is read for every patch."""


@dataclass(frozen=True)
class Layout:
    """Layout of a file that was verified.

    Attributes:
        identity: inode, modification time and size of the file; another file at its path has others.
        arrays: type, shape and first byte of each array.
        small: the small arrays themselves, read-only.
    """

    identity: tuple[int, int, int]
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]
    small: Case = field(default_factory=dict)


class CaseFiles:
    """Reader of files that `write` wrote.

    A file's checksum is verified at its first read, and again if another file has replaced it.

    Args:
        mapped_only: arrays that never stay in memory, however small.
    """

    def __init__(self, mapped_only: Sequence[str] = ()) -> None:
        self.sound: dict[Path, Layout] = {}
        self.mapped_only = mapped_only

    def mapped(self, path: Path) -> Case:
        """Return the arrays of a case as views of the file, of which only what is used is read.

        The file stays mapped as long as a view lives. Changing an array does not change the file. Small
        arrays are the same at every call, and cannot be changed.

        Raises:
            OSError: the file does not exist or cannot be read.
            ValueError: the file is damaged.
        """
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            stat = os.fstat(handle)
            content = mmap.mmap(handle, stat.st_size, access=mmap.ACCESS_COPY) if stat.st_size else None
        finally:
            os.close(handle)
        identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        layout = self.sound.get(path)
        if content is not None and layout is not None and layout.identity == identity:
            return _views(content, layout)
        try:
            if content is None:
                raise ValueError("empty")
            layout, checksum = _layout(content, identity)
            case = _views(content, layout)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}: not a whole file of a case") from error
        if _checksum(case) != checksum:
            raise ValueError(f"{path.name}: wrong checksum")
        self.sound[path] = replace(layout, small=self._small(case))
        return case

    def _small(self, case: Case) -> Case:
        small = {
            key: np.array(array)
            for key, array in case.items()
            if key not in self.mapped_only and array.nbytes <= SMALL
        }
        for array in small.values():
            array.setflags(write=False)
        return small


def read(path: Path) -> Case:
    """Return the arrays of a case.

    Raises:
        OSError: the file does not exist or cannot be read.
        ValueError: the file is damaged.
    """
    return {key: np.array(array) for key, array in CaseFiles().mapped(path).items()}


def write(path: Path, case: Case) -> None:
    """Write a case to a file, in the format of safetensors."""
    arrays = {key: np.asarray(value, order="C") for key, value in case.items()}
    write_whole(path, save(arrays, {"crc32": _checksum(arrays)}), lasting=False)


def _layout(content: mmap.mmap, identity: tuple[int, int, int]) -> tuple[Layout, str]:
    """Return the layout that the header of a safetensors file states, and its checksum."""
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:first])
    checksum = header.pop("__metadata__")["crc32"]
    arrays = {}
    for key, facts in header.items():
        kind, shape = _dtype(facts["dtype"]), tuple(facts["shape"])
        start, end = facts["data_offsets"]
        if end - start != kind.itemsize * int(np.prod(shape, dtype=np.int64)) or first + end > len(content):
            raise ValueError(key)
        arrays[key] = (kind, shape, first + start)
    return Layout(identity, arrays), checksum


def _dtype(name: str) -> np.dtype[Any]:
    kind = name.rstrip("0123456789")
    return np.dtype(f"<{KINDS[kind]}{int(name[len(kind) :]) // 8}" if kind != name else KINDS[kind])


def _views(content: mmap.mmap, layout: Layout) -> Case:
    return {
        key: np.ndarray(shape, kind, content, first)
        for key, (kind, shape, first) in layout.arrays.items()
        if key not in layout.small
    } | layout.small


def _checksum(case: Case) -> str:
    total = 0
    for key in sorted(case):
        total = zlib.crc32(case[key].reshape(-1).view(np.uint8).data, total)
    return str(total)
