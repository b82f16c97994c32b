"""Which files decide what one file reads as: headers and voxels may lie apart."""

from __future__ import annotations

import re
from pathlib import Path

from src.data.readers.names import halves, stem, suffix
from src.data.readers.stored import Refused

META = re.compile(rb"^ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE)
NRRD = re.compile(rb"^data ?file:\s*(.+?)\s*$", re.MULTILINE)


def parts(path: Path) -> list[Path]:
    """The file and those whose bytes `read` takes beside it: the other half of a .hdr and .img, the voxels
    that a .mhd or .nhdr names. What is not there is left out; of most formats it is the file alone."""
    if not path.exists():
        return [path]
    beside = halves(path)
    if suffix(path) in (".hdr", ".img"):
        beside.append(path.with_name(stem(path) + ".mat"))  # the affine that SPM keeps
    if suffix(path) in (".mhd", ".nhdr"):
        try:
            beside = data_files(path)
        except (Refused, OSError):
            beside = []
    return [path, *(other for other in beside if other.is_file())]


def data_files(path: Path) -> list[Path]:
    """The files of voxels that a MetaImage or NRRD header names, there or not; none where they follow the
    header."""
    with path.open("rb") as file:
        content = file.read(65536)
    if content.startswith(b"NRRD"):
        header = content.split(b"\n\n")[0].replace(b"\r", b"")
        found = NRRD.search(header)
    else:
        header, found = content, META.search(content)
    if found is None or found[1].upper() == b"LOCAL":
        return []
    words = found[1].decode().strip('"').strip()
    if words.upper().split()[0] == "LIST":
        names = header[found.end() :].decode(errors="replace").split("\n")
        return [path.parent / name.strip() for name in names if name.strip()]
    if "%" in words:
        pattern, *numbers = words.rsplit(maxsplit=4 if len(words.split()) > 4 else 3)
        first, last, step = (int(number) for number in [*numbers, "1"][:3])
        return [path.parent / (pattern % number) for number in range(first, last + 1, step)]
    return [path.parent / words]
