"""Scores of boxes: average precision, FROC, and scores at a threshold."""

from ganatomy.metrics.detection.table import DetectionTable

__all__ = ["DetectionTable"]
