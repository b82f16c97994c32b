"""From a file to an array [C,*spatial] in its own units and type, and the grid it lies on.

docs/formats.md lists what is read, what is refused and why.
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
