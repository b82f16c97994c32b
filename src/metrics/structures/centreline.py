"""Centreline Dice: are thin structures found along their whole course?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from skimage.morphology import skeletonize as _skeletonize
from torch import Tensor

from ganatomy.errors import one_of
from ganatomy.metrics.surfaces import extent

skeletonize: Any = _skeletonize  # scikit-image leaves it untyped


def cldice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the centreline Dice of two masks, 2 P S / (P + S).

    P is the fraction of the prediction's skeleton that lies in the truth, S that of the truth's skeleton in
    the prediction. Shit et al., CVPR 2021, arXiv 2003.07311, equations 1 and 2. Skeletons are those of
    scikit-image (Zhang and Suen in 2D, Lee et al. in 3D); they are of voxels, so anisotropic ones bend them.
    Empty masks follow the rule of Dice (`labelmaps`): NaN where both are empty, 0 where one is.

    Args:
        prediction: mask [*spatial], 2D or 3D.
        truth: mask of the same shape.

    Returns:
        0 to 1, or NaN.

    Example:
        >>> line = np.zeros((9, 20), bool)
        >>> line[3:6, 2:18] = True
        >>> cldice(line, line), cldice(line, ~line & False)
        (1.0, 0.0)
    """
    if not prediction.any() or not truth.any():
        return float("nan") if prediction.any() == truth.any() else 0.0
    ours, theirs = skeleton(prediction), skeleton(truth)
    precision, sensitivity = (ours & truth).sum() / ours.sum(), (theirs & prediction).sum() / theirs.sum()
    both = float(precision + sensitivity)
    return 2 * float(precision * sensitivity) / both if both else 0.0


def skeleton(mask: np.ndarray) -> np.ndarray:
    """Return the skeleton of a mask [*spatial]; the mask itself where thinning leaves nothing of it."""
    found: np.ndarray = skeletonize(mask) > 0
    return found if found.any() else mask


class CentrelineDice:
    """`cldice` of each class or region of a label map.

    Args:
        groups: labels of each class or region.
    """

    name, higher_is_better, per_class, registered = "cldice", True, True, True

    def __init__(self, groups: Sequence[Sequence[int]]) -> None:
        self.groups = [list(labels) for labels in groups]

    def __call__(self, prediction: Tensor, truth: Tensor) -> list[float]:
        ours, theirs = (labels.detach().cpu().numpy() for labels in (prediction, truth))
        box = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in extent(ours, theirs))
        return [cldice(np.isin(ours[box], labels), np.isin(theirs[box], labels)) for labels in self.groups]


SCORES = {"cldice": CentrelineDice}
"""Scores that are computed where `task.scores` asks for them."""


def named_scores(names: Sequence[str], groups: Mapping[str, Sequence[int]]) -> list[Any]:
    """Return the metrics of `task.scores`.

    Args:
        names: their names.
        groups: labels of each class or region, by name.

    Raises:
        UserError: a name is unknown.
    """
    for name in names:
        one_of("task.scores", name, SCORES)
    return [SCORES[name](list(groups.values())) for name in dict.fromkeys(names)]
