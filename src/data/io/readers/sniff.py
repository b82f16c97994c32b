"""File formats, detected by the first bytes and not by the name."""

from __future__ import annotations

import gzip
from pathlib import Path

from ganatomy.data.io.readers.names import KNOWN, halves, suffix
from ganatomy.data.io.readers.stored import Refused

HEAD = 352
"""Bytes to read for detection: the magic of a NIfTI-1 header is at 344."""
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF8": "picture",
    b"BM": "picture",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\0\0\0\x0cjP  ": "jpeg2000",
    b"\xff\x4f\xff\x51": "jpeg2000",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"NRRD0": "nrrd",
}
SPACE = b" \t\r\n#"
MGH_TYPES = {0, 1, 3, 4, 10}


def beginning(path: Path) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb", buffering=0) as file:  # half the time of a buffered file
        return file.read(HEAD) or b""


def is_dicom(path: Path) -> bool:
    """Return True if a file is DICOM, whatever its name.

    Example:
        >>> size = Path("IM0001").write_bytes(bytes(128) + b"DICM")
        >>> is_dicom(Path("IM0001"))
        True
    """
    return kind(path, beginning(path)) == "dicom"


def kind(path: Path, head: bytes) -> str | None:
    """Return the format of a file that begins with `head`, None if unknown.

    Formats: png, jpeg, jpeg2000, netpbm, picture, tiff, nifti, mgh, nrrd, meta, npy, npz, dicom.
    """
    if head[128:132] == b"DICM":
        return "dicom"
    for signature, name in SIGNATURES.items():
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "picture"
    if head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3] in SPACE and len(head) > 2:
        return "netpbm"
    if head[:2] == b"\x1f\x8b":
        head = _unzipped(path)
    if head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c"):
        return "nifti"  # also Analyze: the size of the header, in either byte order
    if (
        head[:4] == b"\0\0\0\1"
        and int.from_bytes(head[20:24], "big") in MGH_TYPES
        and head[4:8] > b"\0\0\0\0"
    ):
        return "mgh"
    if b"NDims" in head and b"=" in head:
        return "meta"
    if halves(path):
        return "nifti"  # voxels whose header is in the other file of the pair
    return "dicom" if suffix(path) == ".dcm" else None


def zipped(path: Path) -> bool:
    """Return True if a file is compressed by gzip, whatever its name."""
    return beginning(path)[:2] == b"\x1f\x8b"


def _unzipped(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read(HEAD)


def unknown(path: Path, head: bytes) -> Refused:
    """Return the error for a file of unknown format."""
    if not head:
        return Refused("is empty")
    named = f"its bytes are not those of a {suffix(path)} file; " if suffix(path) in KNOWN else ""
    return Refused(
        f"{named}format not supported; supported: NIfTI, Analyze, MGH, MetaImage, NRRD, DICOM, TIFF, PNG, "
        "JPEG, JPEG 2000, BMP, GIF, WebP, Netpbm, NumPy"
    )
