"""Are lesions kept in a translated image, and are none invented? Components found against true ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects, generate_binary_structure, label

from ganatomy.metrics.detection.matching import iou

SCORES = ("lesion_sensitivity", "false_lesions", "false_lesions_healthy")

SHARE = 0.1
"""Share of a lesion's voxels that has to be marked, and of a finding's voxels that has to be lesion."""
LEAST_IOU = 0.1
"""Least IoU of boxes of a lesion and a finding, where either is given as a box alone."""


class Counts(NamedTuple):
    """Lesions of one image.

    Attributes:
        true: True lesions.
        found: Those of them that are found.
        false: Findings where no lesion is.
    """

    true: int
    found: int
    false: int

    def scores(self) -> dict[str, float]:
        """Return `SCORES` of the image; NaN for what it says nothing about.

        Share of its lesions that are found, if it has any; findings where none is; the same of an image
        without a lesion.

        Example:
            >>> Counts(true=4, found=3, false=1).scores()
            {'lesion_sensitivity': 0.75, 'false_lesions': 1.0, 'false_lesions_healthy': nan}
        """
        nothing = float("nan")
        share = self.found / self.true if self.true else nothing
        healthy = nothing if self.true else float(self.false)
        return dict(zip(SCORES, (share, float(self.false), healthy), strict=True))


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the numbers of the connected parts of a mask [*spatial], 0 outside, and how many there are.

    Diagonal neighbours are connected.
    """
    numbered, count = label(mask, generate_binary_structure(mask.ndim, mask.ndim))
    return numbered, int(count)


def count_masks(found: np.ndarray, truth: np.ndarray) -> Counts:
    """Compare a mask of findings with the mask of true lesions.

    A lesion is a connected part of its mask. It counts as found if at least a tenth of its voxels is marked;
    a connected part of the findings is false if less than a tenth of its voxels is lesion. The tenth is that
    of Commowick et al., Sci. Rep. 8 (2018) 13650.

    Args:
        found: True where a lesion was found, [*spatial].
        truth: True in the lesions, of the same shape.
    """
    kept, true = _covered(truth, found)
    right, marked = _covered(found, truth)
    return Counts(true, kept, marked - right)


def _covered(parts: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Return how many parts of a mask the other covers by the share of `SHARE`, and how many there are."""
    numbered, count = components(parts)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    common = np.bincount(numbered[other], minlength=count + 1)[1:]
    return int((common >= np.maximum(SHARE * sizes, 1)).sum()), count


def count_boxes(found: np.ndarray, truth: np.ndarray) -> Counts:
    """Compare boxes of findings with boxes of true lesions: they match from an IoU of a tenth on.

    Args:
        found: Boxes [N, 2 * dims], lower corner first.
        truth: Boxes [M, 2 * dims].
    """
    if not len(found) or not len(truth):
        return Counts(len(truth), 0, len(found))
    near = iou(found, truth) >= LEAST_IOU
    return Counts(len(truth), int(near.any(0).sum()), int((~near.any(1)).sum()))


def boxes_of(mask: np.ndarray) -> np.ndarray:
    """Return the box of each connected part of a mask [*spatial], [N, 2 * dims], upper ends excluded."""
    numbered, _ = components(mask)
    places = find_objects(numbered)
    corners = [[s.start for s in place] + [s.stop for s in place] for place in places]
    return np.array(corners, np.float64).reshape(-1, 2 * mask.ndim)
