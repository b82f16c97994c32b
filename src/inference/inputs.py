"""Files that a user names, as a source of cases: a file, a folder, a pattern, a table, a DICOM tree."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganatomy.data.io.readers import KNOWN, is_dicom, sifted, suffix
from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.records import Record
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.table import Table
from ganatomy.errors import UserError
from ganatomy.training.preprocessing import Preprocessing

TABLES = (".csv", ".tsv", ".json")
CHANNEL = re.compile(r"(.+)_(\d{4})")
"""Stem of a file with one channel of a case, numbered from 0000 (nnU-Net's layout)."""
LOOKED_AT = 2000
"""Files without a known extension that are opened, at most, to find out if a folder holds DICOM."""


@dataclass(kw_only=True)
class Inputs(Files):
    """Image files by their paths below `root`; nothing but images is read.

    Attributes:
        files: Image files of each case, one or one for each channel.
    """

    files: Sequence[Sequence[str]] = field(default_factory=list)

    def records(self) -> list[Record]:
        names = _unique([_without_suffix(files[0], len(files) > 1) for files in self.files])
        records = [
            Record(case, case, "test", {"image": list(files)})
            for files, case in zip(self.files, names, strict=True)
        ]
        return self.completed(records)


Named = Inputs | Table | Dicom
"""Source of the cases that a user names."""


def inputs(kept: Preprocessing, given: str | Path | Sequence[str | Path], series: Any = None) -> Named:
    """Return the source of the cases that a user names.

    A folder is read with all that lie below it; one that holds DICOM files is read as series. A table is a
    CSV or JSON file with a column `image`, whose paths lie below the table's folder.

    Args:
        kept: Preprocessing of the run, which decides channels, dimensions and size.
        given: A path or a pattern, or several paths.
        series: Which DICOM series to use, see `Dicom`.

    Raises:
        UserError: There is no such file, or no image among them.
    """
    settings: dict[str, Any] = {
        "channels": kept.channels,
        "spatial_dims": kept.spatial_dims,
        "size": kept.size,
        "axes": kept.axes,
    }
    paths = _named(given)
    first = paths[0]
    if len(paths) == 1 and first.is_file() and suffix(first) in TABLES:
        case = "case" if _has_case(first) else None
        return Table(root=str(first.parent), table=first.name, case=case, **settings)
    if len(paths) == 1 and first.is_dir() and _holds_dicom(first):
        return Dicom(root=str(first), least=1, series=series, **settings)
    root, found = _images(paths, str(given))
    return Inputs(root=str(root), files=_cases(found, kept.channels), **settings)


def _named(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the paths that a user gave, which exist, or those that a pattern matches."""
    if isinstance(given, str | Path):
        return _found(str(given))
    if not given:
        raise UserError("input: names no file; give a path, a pattern, or several as input=[A,B]")
    paths = list(dict.fromkeys(Path(one).expanduser() for one in given))
    for path in paths:
        _there(path)
    return paths


def _there(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"input={path}: no such file or folder")
    return path


def _found(given: str) -> list[Path]:
    """Return the path, or those that a pattern matches."""
    path = Path(given).expanduser()
    if path.exists() or not glob.has_magic(given):
        return [_there(path)]
    magic = next(n for n, part in enumerate(path.parts) if glob.has_magic(part))
    base = Path(*path.parts[:magic]) if magic else Path()
    found = sorted(base.glob("/".join(path.parts[magic:]))) if base.is_dir() else []
    if not found:
        raise UserError(f"input={given}: no file matches")
    return found


def _images(paths: Sequence[Path], given: str) -> tuple[Path, list[str]]:
    """Return the folder that all images share, and their paths below it."""
    files = [p for path in paths for p in (path.rglob("*") if path.is_dir() else [path])]
    files = [path for path in files if not _hidden(path, paths)]
    found, over = sifted(files)
    named = [path for path in paths if path not in found and _is_image(path, len(paths) == 1)]
    broken = [path for path in files if path.is_symlink() and not path.exists() and suffix(path) in KNOWN]
    found = sorted({*found, *named, *broken})
    if not found:
        passed = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in over.items())
        raise UserError(f"input={given}: no image is there" + (f" (passed over: {passed})" if passed else ""))
    parents = [path if path.is_dir() else path.parent for path in paths]
    root = Path(os.path.commonpath([_absolute(parent) for parent in parents]))
    return root, [_absolute(path).relative_to(root).as_posix() for path in found]


def _is_image(path: Path, alone: bool) -> bool:
    """Return True if a file that was named is an image by its bytes, whatever its name.

    Args:
        path: The file.
        alone: It was named by itself, and not with others by a pattern, where an ending says what it is.
    """
    if not path.is_file():
        return False
    plain = alone or suffix(path) == "" or suffix(path)[1:].isdigit()
    return kind(path, beginning(path)) is not None if plain else is_dicom(path)


def _absolute(path: Path) -> Path:
    """Return the absolute path, with links as they stand: what they point to may lie elsewhere."""
    return Path(os.path.normpath(path.absolute()))


def _hidden(path: Path, paths: Iterable[Path]) -> bool:
    """Return True for a file below a folder whose name begins with a dot, inside what was named."""
    for base in paths:
        if path.is_relative_to(base):
            return any(part.startswith(".") for part in path.relative_to(base).parts)
    return False


def _cases(found: Sequence[str], channels: int) -> list[list[str]]:
    """Return the files of each case: one, or CASE_0000, CASE_0001, ... where each holds one channel."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in found:
        if not (match := CHANNEL.fullmatch(_without_suffix(name))):
            return [[one] for one in found]
        groups.setdefault((match[1], suffix(name)), []).append(name)
    numbered = all(len(files) == channels for files in groups.values())
    return list(groups.values()) if channels > 1 and numbered else [[one] for one in found]


def _without_suffix(name: str, numbered: bool = False) -> str:
    plain = name[: len(name) - len(suffix(name))]
    match = CHANNEL.fullmatch(plain) if numbered else None
    return match[1] if match else plain


def _holds_dicom(folder: Path) -> bool:
    """Return True if a file below the folder is DICOM."""
    looked = 0
    for path in sorted(folder.rglob("*")):
        ending = suffix(path)
        if ending in (".dcm", ".dicom", ".ima", "") or ending[1:].isdigit():
            looked += 1
            if path.is_file() and is_dicom(path):
                return True
        if looked >= LOOKED_AT:
            return False
    return False


def _unique(paths: Sequence[str]) -> list[str]:
    """Return a name for each path without its extension; equal ones are numbered from the second on."""
    flat = [path.replace("/", "_") for path in paths]
    taken, names = Counter(flat), []
    for place, name in enumerate(flat):
        count = flat[: place + 1].count(name) if taken[name] > 1 else 1
        while count > 1 and taken[f"{name}-{count}"]:
            count += 1
        names.append(name if count == 1 else f"{name}-{count}")
        taken[names[-1]] += 1
    return names


def _has_case(table: Path) -> bool:
    from ganatomy.data.io.text_tables import rows_of

    rows = rows_of(table, f"input={table}")
    return bool(rows) and "case" in rows[0][1]
