"""DICOM: group a tree of files into series, and read a series as a volume in rescaled units (HU for CT)."""

from src.data.dicom.files import digest, pydicom
from src.data.dicom.pixels import rescaled
from src.data.dicom.read import read_series
from src.data.dicom.series import find_series, patient

__all__ = ["digest", "find_series", "patient", "pydicom", "read_series", "rescaled"]
