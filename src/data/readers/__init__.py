"""Readers of image files: an array [C,*spatial] in the file's own units and type, and its grid.

docs/formats.md lists the formats that are read, those that are refused, and why.
"""

from src.data.readers.door import read, read_label
from src.data.readers.itk import is_plane
from src.data.readers.names import KNOWN, VOLUMES, passed_over, sifted, stem, suffix
from src.data.readers.parts import parts
from src.data.readers.sniff import is_dicom
from src.data.readers.stored import ReadError, listening
from src.data.readers.volumes import nibabel_image

__all__ = [
    "KNOWN",
    "VOLUMES",
    "ReadError",
    "is_dicom",
    "is_plane",
    "listening",
    "nibabel_image",
    "parts",
    "passed_over",
    "read",
    "read_label",
    "sifted",
    "stem",
    "suffix",
]
