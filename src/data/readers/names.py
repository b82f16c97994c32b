"""Names of files: endings, stems, and which files of a folder are taken for images."""

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
"""Endings that a pattern such as images/* takes. What a file holds is told by its bytes."""
CLUTTER = ("thumbs.db", "desktop.ini", ".ds_store")
VOXELS, HEADERS = (".img", ".img.gz"), (".hdr", ".hdr.gz")
"""Endings of the two files of a pair."""


def suffix(path: Path | str) -> str:
    """The extension in lower case; `.nii.gz` is one."""
    name = (path if isinstance(path, str) else path.name).lower()
    if name.endswith(".gz"):
        double = next((known for known in DOUBLE if name.endswith(known)), None)
        if double:
            return double
    name = name.rpartition("/")[2]  # as Path(name).suffix, which takes ten times as long
    dot = name.rfind(".")
    return name[dot:] if 0 < dot < len(name) - 1 else ""


def stem(path: Path | str) -> str:
    """The file's name without its extension."""
    name = Path(path).name
    return name[: len(name) - len(suffix(name))]


def halves(path: Path) -> list[Path]:
    """Where the other half of a .hdr or .img may lie; nowhere for any other file."""
    others = HEADERS if suffix(path) in VOXELS else VOXELS if suffix(path) in HEADERS else ()
    return [path.with_name(stem(path) + ending) for ending in others]


def passed_over(path: Path) -> bool:
    """Whether a file of a folder is no image of its own: clutter of macOS and Windows ("._scan.nii",
    "Thumbs.db"), the .hdr beside its .img, or an ending that is not known."""
    name = path.name.lower()
    return (
        name.startswith("._")
        or name in CLUTTER
        or suffix(path) not in KNOWN
        or (suffix(path) in HEADERS and any(other.exists() for other in halves(path)))
    )


def sifted(paths: Iterable[Path]) -> tuple[list[Path], Counter[str]]:
    """Those to read, sorted, and how many files of which ending (or clutter's name) are passed over.

    Of a pair .hdr + .img the .hdr is passed over where both are among `paths`.
    """
    files = sorted(path for path in paths if path.is_file())
    here = set(files)
    taken: list[Path] = []
    over: Counter[str] = Counter()
    for path in files:
        pair = halves(path) if suffix(path) in HEADERS else []
        if not passed_over(path) or (pair and not here.intersection(pair) and not path.name.startswith("._")):
            taken.append(path)
        elif not pair:
            clutter = path.name.lower() in CLUTTER or path.name.startswith("._")
            over["._*" if path.name.startswith("._") else path.name if clutter else suffix(path)] += 1
    return taken, over
