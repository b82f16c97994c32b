"""Settings of detection that the data decide."""

from __future__ import annotations

from typing import Any

from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError
from ganatomy.tasks.shared.mirrors import with_mirrors

INSTANCES = "ganatomy.tasks.detection.InstanceDetectionTask"
PLAIN = "ganatomy.tasks.detection.DetectionTask"
LEAST, ROOM = 300, 2
"""Most boxes of an image where objects are few; else so many times the most objects of a training image."""


def decided(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return the settings with room for all boxes, axes of mirrors, and instance maps if they are wanted."""
    found = with_mirrors(with_room(given, data), data)
    return with_instances(found, data) if given.get("instances") else found


def with_room(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return the settings with `max_detections`, if it is null, as the training images need it."""
    if given.get("max_detections", LEAST) is not None:
        return given
    counts = [len(data.whole(record).get("boxes", ())) for record in data.labels.used(data.records["train"])]
    return {**given, "max_detections": max(LEAST, ROOM * max(counts, default=0))}


def with_instances(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return the settings of the task that finds instance maps, in the place of `DetectionTask`.

    Raises:
        UserError: If cases have no instance map.
    """
    if without := data.first_without("instances"):
        raise UserError(
            f"task.instances: {without} has no instance map; name the files that number its objects "
            "(data.instances=instances/{name}), make boxes of masks (data.boxes_from_label=true), or take "
            "COCO's segmentations (data=coco)"
        )
    own = given.get("_target_") in (None, PLAIN)
    return {**given, "_target_": INSTANCES} if own else given
