"""All files that belong to one image: header and voxels may be separate files."""

from __future__ import annotations

import re
from pathlib import Path

from ganatomy.data.io.readers.names import halves, stem, suffix
from ganatomy.data.io.readers.stored import Refused

META = re.compile(rb"^ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE)
NRRD = re.compile(rb"^data ?file:\s*(.+?)\s*$", re.MULTILINE)


def parts(path: Path) -> list[Path]:
    """Return the file and the existing files that `read` needs with it.

    These are the other half of a .hdr and .img, and the voxel files that a .mhd or .nhdr names. Most formats
    have one file only.

    Example:
        >>> for name in ("scan.hdr", "scan.img"):
        ...     Path(name).touch()
        >>> [part.name for part in parts(Path("scan.img"))]
        ['scan.img', 'scan.hdr']
    """
    if not path.exists():
        return [path]
    companions = halves(path)
    if suffix(path) in (".img", ".hdr"):  # SPM keeps an affine there
        companions.append(path.with_name(stem(path) + ".mat"))
    if suffix(path) in (".mhd", ".nhdr"):
        try:
            companions = data_files(path)
        except (Refused, OSError):
            companions = []
    return [path, *(other for other in companions if other.is_file())]


def data_files(path: Path) -> list[Path]:
    """Return the voxel files that a MetaImage or NRRD header names, existing or not.

    The list is empty if the voxels follow the header in the same file.
    """
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
