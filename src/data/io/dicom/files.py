"""Find the files of a folder tree, following links, and open one of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError


def pydicom() -> Any:
    """Return the package pydicom. Raises UserError if it is not installed."""
    try:
        import pydicom
    except ImportError as error:
        raise UserError('DICOM files need pydicom: pip install "ganatomy[data]"') from error
    # Its warnings quote values of the headers, which may be names.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return pydicom


def opened(path: Path, tags: Sequence[str] | None = None, pixels: bool = True) -> Any:
    """Return the dataset of a file.

    Files without the 128-byte preamble and DICM are accepted if they begin like a dataset (group 0002 or
    0008, little endian).

    Args:
        path: The file.
        tags: Keywords to read, without pixels; None for all.
        pixels: False to read the header only.

    Raises:
        InvalidDicomError: The file is something else (pydicom's error).
    """
    dicom = pydicom()
    how: dict[str, Any] = {"stop_before_pixels": bool(tags) or not pixels}
    if tags:
        how["specific_tags"] = list(tags)
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
    """Return every file below `root` once, sorted, and the number of broken links.

    Links to files and folders are followed; a file reached twice is listed at its real location. DICOMDIR
    files and macOS companions ("._name") are ignored.
    """
    found: dict[Path, Path] = {}
    visited: set[Path] = set()
    broken, todo = 0, [root]
    while todo:  # real folders first, linked ones after
        for folder, folders, names in os.walk(todo.pop(0)):
            here, real = Path(folder), Path(folder).resolve()
            if real in visited:
                folders.clear()
                continue
            visited.add(real)
            todo += [here / name for name in sorted(folders) if (here / name).is_symlink()]
            for name in names:
                path = here / name
                if name.startswith("._") or name.upper() == "DICOMDIR":
                    continue
                linked = path.is_symlink()
                if not path.is_file():
                    broken += linked
                    continue
                target = path.resolve() if linked else real / name
                if not (linked and target in found):
                    found[target] = path
    return sorted(found.values()), broken
