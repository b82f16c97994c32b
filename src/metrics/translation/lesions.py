"""Are lesions kept in a translated image, and are none invented? Components found against true ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import find_objects, generate_binary_structure, label
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric
from ganatomy.metrics.detection.matching import iou

SHARE = 0.1
"""Share of a lesion's voxels that has to be marked, and of a finding's voxels that has to be lesion."""
LEAST_IOU = 0.1
"""Least IoU of boxes of a lesion and a finding, where either is given as a box alone."""


class Counts(NamedTuple):
    """Lesions of one image: true ones, how many of them are found, and findings where none is."""

    true: int
    found: int
    false: int


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


class LesionTable(CaseMetric):
    """Sensitivity and false findings over images, gathered over batches and processes."""

    rows: Any

    def __init__(self) -> None:
        super().__init__("rows")

    def update(self, case: str, counts: Counts) -> None:
        """Add the lesions of one case; ValueError for a name of more than 128 bytes."""
        self.keep(case, rows=list(counts))

    def compute(self) -> dict[str, Tensor]:
        """Return flat names to 0-dim tensors; NaN for what no image tells.

        `lesion_sensitivity` is the share of all true lesions that are found, `false_lesions` the mean number
        of findings where none is, over all images, and `false_lesions/healthy` over those without a lesion.
        """
        cases = list(self.rows_by_case(3).values())
        rows = torch.stack(cases) if cases else torch.empty(0, 3, dtype=torch.double)
        healthy = rows[rows[:, 0] == 0]
        return {
            "lesion_sensitivity": (rows[:, 1].sum() / rows[:, 0].sum()).float(),
            "false_lesions": rows[:, 2].mean().float(),
            "false_lesions/healthy": healthy[:, 2].mean().float(),
        }

    def per_case(self) -> list[dict[str, str | float]]:
        """Return one row per case, sorted: `case` and both scores. Every process must call it."""
        with self.sync_context():
            cases = self.rows_by_case(3)
        return [
            {
                "case": case,
                "lesion_sensitivity": found / true if true else float("nan"),
                "false_lesions": false,
            }
            for case, (true, found, false) in ((case, row.tolist()) for case, row in cases.items())
        ]
