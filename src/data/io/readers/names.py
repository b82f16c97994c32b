"""File names: extensions, stems, and which files of a folder are images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

DOUBLE = (".nii.gz", ".img.gz", ".hdr.gz")
VOLUMES = (*DOUBLE, ".nii", ".img", ".hdr", ".mgz", ".mgh")
ITK = (".mha", ".mhd", ".nrrd", ".nhdr")
TIFFS = (".tif", ".tiff", ".btf", ".tf8")
PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".bmp", ".gif", ".webp")
NETPBM = (".pgm", ".ppm", ".pbm", ".pnm", ".pfm")
KNOWN = (*VOLUMES, *ITK, *TIFFS, *PICTURES, *NETPBM, ".npy", ".dcm")
"""Extensions that a pattern such as images/* picks up. The reader itself is chosen by the file's bytes."""
CLUTTER = ("thumbs.db", "desktop.ini", ".ds_store")
VOXELS, HEADERS = (".img", ".img.gz"), (".hdr", ".hdr.gz")
"""Extensions of the two files of an Analyze or NIfTI pair."""


def suffix(path: Path | str) -> str:
    """Return the extension in lower case; `.nii.gz` counts as one extension.

    Example:
        >>> suffix("scans/p01.NII.GZ")
        '.nii.gz'
    """
    name = (path if isinstance(path, str) else path.name).lower()
    if name.endswith(".gz"):
        double = next((known for known in DOUBLE if name.endswith(known)), None)
        if double:
            return double
    name = name.rpartition("/")[2]  # as Path(name).suffix, which takes ten times as long
    dot = name.rfind(".")
    return name[dot:] if 0 < dot < len(name) - 1 else ""


def stem(path: Path | str) -> str:
    """Return the file's name without its extension.

    Example:
        >>> stem("scans/p01.nii.gz")
        'p01'
    """
    name = Path(path).name
    return name[: len(name) - len(suffix(name))]


def halves(path: Path) -> list[Path]:
    """Return the possible paths of the other half of a .hdr or .img; empty for any other file."""
    others = HEADERS if suffix(path) in VOXELS else VOXELS if suffix(path) in HEADERS else ()
    return [path.with_name(stem(path) + ending) for ending in others]


def passed_over(path: Path) -> bool:
    """Return True if a file is not an image of its own.

    That is clutter of macOS and Windows ("._scan.nii", "Thumbs.db"), the .hdr of an existing .img, or an
    unknown extension.

    Example:
        >>> passed_over(Path("notes.txt")), passed_over(Path("scan.nii.gz"))
        (True, False)
    """
    name = path.name.lower()
    return (
        name.startswith("._")
        or name in CLUTTER
        or suffix(path) not in KNOWN
        or (suffix(path) in HEADERS and any(other.exists() for other in halves(path)))
    )


def sifted(paths: Iterable[Path]) -> tuple[list[Path], Counter[str]]:
    """Return the sorted images among `paths`, and the count of ignored files per extension (or clutter name).

    If both files of a .hdr + .img pair are among `paths`, only the .img is returned.

    Example:
        >>> for name in ("scan.nii.gz", "notes.txt"):
        ...     Path(name).touch()
        >>> images, ignored = sifted(Path(".").iterdir())
        >>> [image.name for image in images], dict(ignored)
        (['scan.nii.gz'], {'.txt': 1})
    """
    files = sorted(path for path in paths if path.is_file())
    known = set(files)
    images: list[Path] = []
    ignored: Counter[str] = Counter()
    for path in files:
        pair = halves(path) if suffix(path) in HEADERS else []
        if not passed_over(path) or (
            pair and not known.intersection(pair) and not path.name.startswith("._")
        ):
            images.append(path)
        elif not pair:
            clutter = path.name.lower() in CLUTTER or path.name.startswith("._")
            ignored["._*" if path.name.startswith("._") else path.name if clutter else suffix(path)] += 1
    return images, ignored
