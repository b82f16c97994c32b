"""Readers of image files: an array [C,*spatial] in the file's own units and type, and its grid.

docs/formats.md lists the formats that are read, those that are refused, and why.
"""

from ganatomy.data.io.readers.door import read, read_label
from ganatomy.data.io.readers.itk import is_plane
from ganatomy.data.io.readers.names import KNOWN, VOLUMES, passed_over, sifted, stem, suffix
from ganatomy.data.io.readers.parts import parts
from ganatomy.data.io.readers.sniff import is_dicom
from ganatomy.data.io.readers.stored import ReadError, listening
from ganatomy.data.io.readers.volumes import nibabel_image

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
