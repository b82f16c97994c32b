"""Pictures of segmentations: the image, truth and prediction over it, and where they differ."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ganatomy.data.records import IGNORED, Batch
from ganatomy.pictures import ERRORS, colours, error_map, overlay, shown
from ganatomy.pictures.draw import HATCHED
from ganatomy.tasks.segmentation.classes import Labelling, Regions
from ganatomy.tasks.shared.volumes import rows_by_case

NOT_SCORED = "not scored"
"""Entry for what is hatched."""


def panels(batch: Batch, prediction: Tensor, labelling: Labelling) -> dict[str, np.ndarray]:
    """Return the pictures of a batch, a row per case; the middle slice of a sliced volume.

    What does not count (ignore label, outside of the region of interest) is hatched in the truth.

    Args:
        batch: Validation or test batch.
        prediction: Label maps [B, 1, *spatial].
        labelling: What the channels mean.
    """
    rows = [group[len(group) // 2] for _, group in rows_by_case(batch)]
    image = batch["image"][rows].float().cpu().numpy()
    truth, ours = (t[rows, 0].float().cpu().numpy() for t in (batch["label"], prediction))
    if (valid := labelling.valid(batch)) is not None:
        truth = np.where(valid[rows, 0].cpu().numpy(), truth, IGNORED)
    classes = len(labelling.classes)
    return {
        "image": shown(image),
        "truth": overlay(image, truth, classes),
        "prediction": overlay(image, ours, classes),
        "error": error_map(truth, ours),
    }


def legends(labelling: Labelling, hatched: bool) -> dict[str, dict[str, tuple[int, int, int]]]:
    """Return the colours below the columns; those of regions are of the values that they are written as.

    Args:
        labelling: What the channels mean.
        hatched: Some voxels do not count.
    """
    names = list(labelling.classes)
    if isinstance(labelling, Regions):
        for place, number in labelling.order:
            names[number] = list(labelling.groups)[place]
    more = {NOT_SCORED: HATCHED} if hatched else {}
    found = {"truth": colours(names) | more, "prediction": colours(names), "error": ERRORS | more}
    return {column: dict(entries) for column, entries in found.items()}
