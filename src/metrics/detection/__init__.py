"""Scores of boxes: average precision, FROC, and what a chosen score threshold gives."""

from ganatomy.metrics.detection.table import DetectionTable

__all__ = ["DetectionTable"]
