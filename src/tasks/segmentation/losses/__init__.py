"""Losses of segmentation by name, their weights, class weights and deep supervision."""

from ganatomy.tasks.segmentation.losses.loss import SegmentationLoss
from ganatomy.tasks.segmentation.losses.terms import LOSSES

__all__ = ["LOSSES", "SegmentationLoss"]
