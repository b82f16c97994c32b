"""Typical objects of a data set, from which the network starts."""

from __future__ import annotations

import numpy as np

from ganatomy.data.datamodule import DataModule

MOST = 64
"""Training images, at most, whose boxes are looked at."""


def typical_sides(data: DataModule) -> list[float] | None:
    """Return the median sides of training boxes in voxels, one per axis; None if no image has a box.

    Boxes are those of up to 64 images, evenly taken from those that hold an object.
    """
    records = data.labels.used(data.records["train"])
    holding = [record for record in records if data.facts[record.case].holds.get("boxes")]
    places = np.unique(np.linspace(0, len(holding) - 1, min(len(holding), MOST)).round().astype(int))
    found = [data.whole(holding[place])["boxes"] for place in places]
    boxes = np.concatenate(found) if found else np.zeros((0, 2 * data.spatial_dims))
    if not len(boxes):
        return None
    dims = boxes.shape[1] // 2
    sides = np.median(boxes[:, dims:] - boxes[:, :dims], axis=0)
    return [round(float(side), 3) for side in sides]
