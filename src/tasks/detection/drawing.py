"""Detections as pictures: for the discriminator, and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.pictures.boxes import case_columns

FAINT, SURE = 0.02, 0.9
"""Range that centre maps are clipped to for the discriminator: outside it, truth and prediction agree."""


def drawn(image: Tensor, centre: Tensor, sides: Tensor) -> Tensor:
    """Return the discriminator's input [B, C + K + d, *cells]: image, centre map, sides at the centres.

    Args:
        image: Image at the resolution of the maps [B, C, *cells].
        centre: Centre probabilities [B, K, *cells].
        sides: Sides in cells [B, d, *cells].
    """
    soft = centre.clamp(FAINT, SURE)
    presence = soft.amax(1, keepdim=True) - FAINT
    return torch.cat([image, soft, presence * sides.log1p()], 1)


def panels(
    batch: Batch, prediction: dict[str, Any], classes: Sequence[str], threshold: float
) -> dict[str, np.ndarray]:
    """Return pictures of the first image with an object: its truth, what was found, the centre map.

    Args:
        batch: Evaluation batch.
        prediction: `found` and `heat` of its images.
        classes: Names of the box classes.
        threshold: Lowest score of a box that is drawn.
    """
    counts = [len(boxes) for boxes in batch["boxes"]]
    row = int(np.argmax(np.array(counts) > 0))
    found = prediction["found"][row]
    kept = found.scores >= threshold
    ours = tuple(v[kept].float().cpu().numpy() for v in found)
    image, heat = (v[row].float().cpu().numpy() for v in (batch["image"], prediction["heat"]))
    truth = tuple(batch[key][row].float().cpu().numpy() for key in ("boxes", "classes"))
    columns = case_columns(image, heat, classes, truth, ours)
    return {name: picture[None] for name, picture in columns.items()}
