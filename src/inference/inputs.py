"""Files that a user names, as a source of cases: a file, a folder, a pattern, a table, a DICOM tree."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ganatomy.data.io.dicom.series import Found, find_series
from ganatomy.data.io.readers import KNOWN, is_dicom, sifted, suffix
from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.records import Record
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.files.base import Files
from ganatomy.errors import UserError
from ganatomy.inference.listed import in_channels, listed, unique, without_suffix
from ganatomy.text.values import as_typed
from ganatomy.training.preprocessing import Preprocessing

DATA = (".raw", ".zraw")
"""Endings of files that hold the numbers of another one, such as of MetaImage."""
TABLES = (".csv", ".tsv", ".json")
LOOKED_AT = 2000
"""Files without a known extension that are opened, at most, to find out if a folder holds DICOM."""


@dataclass(kw_only=True)
class Inputs(Files):
    """Image files by their paths below `root`; nothing but images is read.

    Attributes:
        files: Image files of each case, one or one for each channel.
        names: Name of each case; empty for that of its first file.
        present: Which channels of each case are there; empty for all.
        passed: Number of files beside them that are no images, by extension.
    """

    files: Sequence[Sequence[str]] = field(default_factory=list)
    names: Sequence[str] = ()
    present: Sequence[Sequence[bool]] = ()
    passed: Counter[str] = field(default_factory=Counter)

    def records(self) -> list[Record]:
        own = self.names or [""] * len(self.files)
        plain = [without_suffix(files[0], len(files) > 1) for files in self.files]
        names = unique([name or path for name, path in zip(own, plain, strict=True)])
        there = self.present or [()] * len(self.files)
        records = [
            Record(case, case, "test", {"image": list(files)} | ({"present": list(some)} if some else {}))
            for files, case, some in zip(self.files, names, there, strict=True)
        ]
        return self.completed(records)


@dataclass(kw_only=True)
class NamedDicom(Dicom):
    """Series of DICOM files that a user names.

    Attributes:
        files: The files; None for all below `root`.
    """

    files: Sequence[Path] | None = None

    @cached_property
    def found(self) -> Found:
        """Return all series among the files."""
        return find_series(self.folder, self.files)


Named = Inputs | NamedDicom
"""Source of the cases that a user names."""


def inputs(
    kept: Preprocessing,
    given: str | Path | Sequence[str | Path],
    series: Any = None,
    secret: str | None = None,
    tables: bool = True,
) -> Named:
    """Return the source of the cases that a user names.

    A folder is read with all that lie below it; one that holds DICOM files is read as series. A table is a
    CSV or JSON file with a column `image`, whose paths lie below the table's folder.

    Args:
        kept: Preprocessing of the run, which decides channels, dimensions and size.
        given: A path or a pattern, or several paths.
        series: Which DICOM series to use, see `Dicom`.
        secret: File of the secret behind the pseudonyms of DICOM series, see `Dicom`.
        tables: False for files that are not the user's own, which may not name others.

    Raises:
        UserError: There is no such file, or no image among them.
    """
    settings: dict[str, Any] = {
        "channels": kept.channels,
        "spatial_dims": kept.spatial_dims,
        "size": kept.size,
        "axes": kept.axes,
        "missing": kept.missing,
    }
    dicom: dict[str, Any] = {"least": 1, "series": series, "secret": secret}
    paths = _named(given)
    first = paths[0]
    if len(paths) == 1 and first.is_dir() and _holds_dicom(first):
        return NamedDicom(root=str(first), **dicom, **settings)
    over: Counter[str] = Counter()
    if tables and len(paths) == 1 and first.is_file() and suffix(first) in TABLES:
        found, names = listed(first)
        folders = [path.parent for each in found for path in each if path]
    else:
        images, over = _images(paths, as_typed(given))
        found, names = [[path] for path in images], list[str]()
        folders = [_absolute(path if path.is_dir() else path.parent) for path in paths]
    files, root = [path for each in found for path in each if path], Path(os.path.commonpath(folders))
    private = [path for path in files if path.is_file() and _may_be_dicom(path) and is_dicom(path)]
    if private and len(private) == len(files):
        return NamedDicom(root=str(root), files=files, **dicom, **settings)
    if private:
        raise UserError(
            f"input={as_typed(given)}: {len(private)} of {len(files)} files are DICOM, whose names may "
            "identify persons; give them apart from the others"
        )
    below: list[list[str | None]] = [
        [path.relative_to(root).as_posix() if path else None for path in each] for each in found
    ]
    cases, there = in_channels(below, not names, kept.channels, kept.missing is not None)
    return Inputs(root=str(root), files=cases, names=names, present=there, passed=over, **settings)


def passed_over(source: Named) -> str:
    """Return a line about files that are not predicted, by extension; empty if there is none."""
    if isinstance(source, Inputs) and source.passed:
        total = source.passed.total()
        words = "1 file is no image and is" if total == 1 else f"{total} files are no images and are"
        return f"{words} passed over ({_counted(source.passed)})"
    if not isinstance(source, NamedDicom) or source.files is not None:
        return ""
    found, _ = sifted(source.folder.rglob("*"))
    others = Counter(ending for path in found if not _may_be_dicom(path) and (ending := suffix(path)))
    if not others:
        return ""
    return f"the folder holds DICOM; other images are passed over ({_counted(others)}); give them apart"


def _counted(endings: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings.items())


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


def _images(paths: Sequence[Path], given: str) -> tuple[list[Path], Counter[str]]:
    """Return the images among paths and in folders among them, and how many other files there are."""
    files = [p for path in paths for p in (path.rglob("*") if path.is_dir() else [path])]
    files = [path for path in files if not _hidden(path, paths)]
    found, over = sifted(files)
    named = [path for path in files if path not in found and _is_image(path, files == paths == [path])]
    broken = [path for path in files if path.is_symlink() and not path.exists() and suffix(path) in KNOWN]
    if not (found := sorted({*found, *named, *broken})):
        raise UserError(
            f"input={given}: no image is there" + (f" (passed over: {_counted(over)})" if over else "")
        )
    over.subtract(suffix(path) for path in named)
    for ending in DATA:
        del over[ending]
    return list(dict.fromkeys(_absolute(path) for path in found)), +over


def _is_image(path: Path, alone: bool) -> bool:
    """Return True if a file that was named is an image by its bytes, whatever its name.

    Args:
        path: The file.
        alone: It was named by itself, and not with others by a pattern, where an ending says what it is.
    """
    if not path.is_file():
        return False
    if not alone:
        return _may_be_dicom(path) and is_dicom(path)
    return kind(path, beginning(path)) is not None


def _may_be_dicom(path: Path) -> bool:
    """Return True if the name of a file is one that DICOM files have."""
    ending = suffix(path)
    return ending in (".dcm", ".dicom", ".ima", "") or ending[1:].isdigit()


def _absolute(path: Path) -> Path:
    """Return the absolute path, with links as they stand: what they point to may lie elsewhere."""
    return Path(os.path.normpath(path.absolute()))


def _hidden(path: Path, paths: Iterable[Path]) -> bool:
    """Return True for a file below a folder whose name begins with a dot, inside what was named."""
    for base in paths:
        if path.is_relative_to(base):
            return any(part.startswith(".") for part in path.relative_to(base).parts)
    return False


def _holds_dicom(folder: Path) -> bool:
    """Return True if a file below the folder is DICOM."""
    looked = 0
    for path in sorted(folder.rglob("*")):
        if _may_be_dicom(path):
            looked += 1
            if path.is_file() and is_dicom(path):
                return True
        if looked >= LOOKED_AT:
            return False
    return False
