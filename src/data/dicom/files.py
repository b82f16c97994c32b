"""The files of a tree, links followed, and how one of them is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.errors import UserError


def pydicom() -> Any:
    """The package, or one line on how to get it."""
    try:
        import pydicom
    except ImportError as error:
        raise UserError('DICOM files need pydicom: pip install "ganatomy[data]"') from error
    return pydicom


def digest(text: str) -> str:
    """Eight hexadecimal digits for a text: a name that does not show it. Whoever can try all the texts, such
    as all numbers of seven digits, finds it again."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def opened(path: Path, tags: Sequence[str] | None = None) -> Any:
    """The data set of a file; with `tags`, these alone and no pixels.

    Files without the 128 bytes and the word DICM that should come first are understood when they begin as
    data sets do (group 0002 or 0008, little endian). Raises pydicom's InvalidDicomError for anything else.
    """
    dicom = pydicom()
    how = {"specific_tags": list(tags), "stop_before_pixels": True} if tags else {}
    try:
        return dicom.dcmread(path, **how)
    except dicom.errors.InvalidDicomError:
        with path.open("rb") as file:
            first = file.read(4)
        if first[:2] not in (b"\x02\x00", b"\x08\x00") or len(first) < 4 or first[3]:
            raise
    file = dicom.dcmread(path, force=True, **how)
    if "TransferSyntaxUID" not in file.file_meta:
        implicit, _ = file.original_encoding
        uid = dicom.uid.ImplicitVRLittleEndian if implicit else dicom.uid.ExplicitVRLittleEndian
        file.file_meta.TransferSyntaxUID = uid
    return file


def files_below(root: Path) -> tuple[list[Path], int]:
    """Every file below `root` once, in order, and how many links lead nowhere.

    Links to files and folders are followed; what is reached twice counts where it really lies. Directories
    of media (DICOMDIR) and what macOS leaves beside files ("._name") are passed over.
    """
    found: dict[Path, Path] = {}
    seen: set[Path] = set()
    lost, todo = 0, [root]
    while todo:  # real folders first, linked ones after
        for folder, folders, names in os.walk(todo.pop(0)):
            here, real = Path(folder), Path(folder).resolve()
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            todo += [here / name for name in sorted(folders) if (here / name).is_symlink()]
            for name in names:
                path = here / name
                if name.startswith("._") or name.upper() == "DICOMDIR":
                    continue
                linked = path.is_symlink()
                if not path.is_file():
                    lost += linked
                    continue
                whole = path.resolve() if linked else real / name
                if not (linked and whole in found):
                    found[whole] = path
    return sorted(found.values()), lost
