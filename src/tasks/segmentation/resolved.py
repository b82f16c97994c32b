"""What the data decide about a segmentation: settings, and the channels of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.tasks.hooks import all_labelled
from ganatomy.tasks.segmentation.classes import label_map_of, labelling_of
from ganatomy.tasks.segmentation.losses.class_weights import with_class_weights
from ganatomy.tasks.shared.foreseen import refuse_unmarked
from ganatomy.tasks.shared.mirrors import with_mirrors
from ganatomy.tasks.shared.sliding_window import in_windows

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule


def resolved(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
    """Return the task's section with what the data decide.

    Args:
        data: Data of the run.
        given: The section of the configuration; left as it is.

    Raises:
        UserError: The data have no label maps, or not those that training needs.
    """
    if len(data.mask_classes) < 2:
        raise UserError(
            "data.label: these data have no label maps, which segmentation needs; name them (data.label=..., "
            "data.classes=[background,...]), or choose other data"
        )
    if case := data.first_without("label"):
        raise UserError(f"data.label: {case} has no label map; give it one, or leave the case out")
    if not given.get("semi"):
        all_labelled(data)
    elif not data.labels.unlabelled_fraction:
        raise UserError(
            "task.semi: no batch holds an image without a label; set data.unlabelled_fraction=0.5"
        )
    refuse_unmarked(data, "label", "a voxel of a class other than the background")
    label_map = label_map_of(data)
    if given.get("label_map") not in (None, label_map):
        raise UserError(
            "task.label_map: is what the data decide; set data.regions, data.ignore_label or data.mask"
        )
    given = given if label_map is None else {**given, "label_map": label_map}
    given = with_class_weights(given, data, labelling_of(data.mask_classes, label_map))
    return with_mirrors(in_windows(given, data), data)


def arguments_of_networks(data: DataModule) -> dict[str, dict[str, int]]:
    """Return the channels in and out of each player of a segmentation."""
    own, labelling = data.channels, labelling_of(data.mask_classes, label_map_of(data))
    outputs = labelling.outputs
    seen = {"image_channels": outputs, "masked_channels": own * len(labelling.groups)}
    return {
        "generator": {"in_channels": own, "out_channels": outputs},
        "discriminator": {"in_channels": own + outputs, **seen, "out_channels": 1},
    }
