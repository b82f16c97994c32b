"""What a task says of one case, in the coordinates and units of the case's file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class FoundBoxes:
    """Boxes found in one case.

    Attributes:
        boxes: Boxes [N, 2 * dims] in voxels of the file, lower corner first, in the order of the array's
            axes; voxel i covers i to i + 1.
        scores: Scores [N].
        classes: Name of each box's class, [N].
        threshold: Score from which on a box counts; the others are candidates.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: list[str]
    threshold: float


@dataclass(frozen=True)
class Answer:
    """Prediction of one case.

    Attributes:
        array: [C, *spatial] on the network's grid: integers are class numbers, floats an image in the units
            of the file that `role` names; None without an image.
        role: File of the case whose units and type the image has; see `TaskHooks.written_like`. With
            "instances" the integers of `array` number objects: i + 1 in that of box i.
        boxes: Boxes found; None for a task without boxes.
        values: Numbers about the whole case, by name, such as an anomaly score.
        maps: Maps of doubt about it by name, [C, *spatial] on the network's grid, where several members
            answered; see `ganatomy.inference.ensembles.members`.
        notes: What the user should know of how it was made.
    """

    array: Tensor | None = None
    role: str = "image"
    boxes: FoundBoxes | None = None
    values: dict[str, float] = field(default_factory=dict)
    maps: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
