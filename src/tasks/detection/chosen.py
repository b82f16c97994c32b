"""Settings of detection that the data decide."""

from __future__ import annotations

from typing import Any

from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError

INSTANCES = "ganatomy.tasks.detection.instances.InstanceDetectionTask"
PLAIN = "ganatomy.tasks.detection.DetectionTask"


def with_instances(settings: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return the settings of the task that finds instance maps, in the place of `DetectionTask`.

    Raises:
        UserError: If cases have no instance map.
    """
    if without := data.first_without("instances"):
        raise UserError(
            f"task.instances: {without} has no instance map; name the files that number its objects "
            "(data.instances=instances/{name}), or make boxes of masks (data.boxes_from_label=true)"
        )
    own = settings.get("_target_") in (None, PLAIN)
    return {**settings, "_target_": INSTANCES} if own else settings
