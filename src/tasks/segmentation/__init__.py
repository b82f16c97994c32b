"""Segmentation: image in, label map out."""

from ganatomy.tasks.segmentation.task import SegmentationTask

__all__ = ["SegmentationTask"]
