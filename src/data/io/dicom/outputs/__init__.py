"""DICOM files from what a network made of a series: derived images, and segmentations."""

from ganatomy.data.io.dicom.outputs.about import About
from ganatomy.data.io.dicom.outputs.derived import write_derived
from ganatomy.data.io.dicom.outputs.segmentation import write_seg

__all__ = ["About", "write_derived", "write_seg"]
