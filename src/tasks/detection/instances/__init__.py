"""Instance maps: every voxel of an object votes for its centre."""

from ganatomy.tasks.detection.instances.task import InstanceDetectionTask

__all__ = ["InstanceDetectionTask"]
