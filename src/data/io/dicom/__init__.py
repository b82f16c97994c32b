"""DICOM: group a tree of files into series, and read a series as a volume in rescaled units (HU for CT)."""

from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.pixels import rescaled
from ganatomy.data.io.dicom.read import read_series
from ganatomy.data.io.dicom.series import find_series

__all__ = ["find_series", "pydicom", "read_series", "rescaled"]
