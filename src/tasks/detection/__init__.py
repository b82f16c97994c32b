"""Detection: image in, boxes out."""

from ganatomy.tasks.detection.instances.task import InstanceDetectionTask
from ganatomy.tasks.detection.task import DetectionTask

__all__ = ["DetectionTask", "InstanceDetectionTask"]
