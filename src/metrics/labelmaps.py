"""Scores of a label map against the truth: overlap and surface distance, per volume and class, in mm.

Empty masks follow one rule everywhere, because a mean over volumes depends on it:

| truth    | prediction | Dice, IoU, NSD | HD95, ASD                    |
| -------- | ---------- | -------------- | ---------------------------- |
| empty    | empty      | not counted    | not counted                  |
| empty    | something  | 0              | the volume's diagonal in mm  |
| present  | empty      | 0              | the volume's diagonal in mm  |

*Not counted* is NaN in a row and left out of a mean; how often it happened is reported as `absent/<class>`.
The diagonal is the largest distance two voxels of the volume can have, so a missed structure never beats a
badly segmented one. A volume whose truth is background alone, in all classes, is not part of these means:
`VolumeScores` counts what is found in it as a false positive.

Voxels that are not valid (an ignore label, outside of a region of interest) are background in both label maps
before anything is measured, so neither overlap nor surface depends on what either holds there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganatomy.metrics.surfaces import extent, percentile, surface_distances

SCORES = ("dice", "iou", "hd95", "asd", "nsd")
PART = 2**16
"""Voxels that are counted at once."""
BYTES = 16
"""Classes whose pairs fit a byte."""


def confusion(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Count the voxels of each pair of labels.

    Args:
        prediction: Integer label map of any shape.
        truth: Integer label map of the same shape.
        classes: Number of classes, background included.

    Returns:
        Counts [truth, prediction], classes x classes, on the CPU.

    Raises:
        ValueError: If the shapes differ or a label is outside 0 to classes - 1.
    """
    ours, theirs = _small(prediction, truth, classes)
    box = extent(ours, theirs)
    return _counted(ours[box], theirs[box], classes, ours.size)


def _small(prediction: Tensor, truth: Tensor, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both label maps as small integers, on the CPU; ValueError for other shapes or unknown labels."""
    if prediction.shape != truth.shape:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} differ in shape: "
            "resample the prediction onto the truth's grid first"
        )
    for name, labels in (("prediction", prediction), ("truth", truth)):
        low, high = (int(end) for end in torch.aminmax(labels))
        if low < 0 or high >= classes:
            raise ValueError(
                f"the {name} holds labels {low} to {high}: {classes} classes allow 0 to {classes - 1}"
            )
    kind = torch.uint8 if classes <= BYTES else torch.int64
    ours, theirs = (labels.detach().to("cpu", kind).numpy() for labels in (prediction, truth))
    return ours, theirs


def _counted(ours: np.ndarray, theirs: np.ndarray, classes: int, voxels: int) -> Tensor:
    """Count pairs of labels [truth, prediction]; the rest of `voxels` is background in both."""
    counts = np.zeros(classes**2, np.int64)
    for first in range(0, ours.size, PART):
        part = slice(first, first + PART)
        pairs = theirs.ravel()[part] * classes + ours.ravel()[part]
        counts += np.bincount(pairs, minlength=classes**2)
    counts[0] += voxels - ours.size
    return torch.from_numpy(counts.reshape(classes, classes))


def dice(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Return 2|A∩B| / (|A| + |B|) per class, [classes]; NaN where a class is in neither.

    Args:
        prediction: Integer label map of any shape.
        truth: Integer label map of the same shape.
        classes: Number of classes, background included.
    """
    return _dice(confusion(prediction, truth, classes).double())


def iou(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Return |A∩B| / |A∪B| per class, [classes]; NaN where a class is in neither.

    Args:
        prediction: Integer label map of any shape.
        truth: Integer label map of the same shape.
        classes: Number of classes, background included.
    """
    return _iou(confusion(prediction, truth, classes).double())


def _dice(counts: Tensor) -> Tensor:
    return 2 * counts.diag() / (counts.sum(0) + counts.sum(1))


def _iou(counts: Tensor) -> Tensor:
    return counts.diag() / (counts.sum(0) + counts.sum(1) - counts.diag())


def hd95(there: Tensor, back: Tensor) -> Tensor:
    """Return the 95th percentile of the surface distances in mm, the worse of the two directions."""
    return torch.maximum(percentile(there, 0.95), percentile(back, 0.95))


def average_surface_distance(there: Tensor, back: Tensor) -> Tensor:
    """Return the mean distance in mm over the surface voxels of both masks together."""
    return torch.cat([there, back]).mean()


def normalised_surface_dice(there: Tensor, back: Tensor, tolerance: float) -> Tensor:
    """Return the fraction of both surfaces that lies within `tolerance` mm of the other one.

    Args:
        there: Distances in mm from the prediction's surface voxels to the truth's surface.
        back: Distances in mm from the truth's surface voxels to the prediction's surface.
        tolerance: Distance in mm that still counts as agreement.
    """
    return (torch.cat([there, back]) <= tolerance).double().mean()


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the distance in mm between the centres of two opposite corner voxels."""
    return math.hypot(*((n - 1) * s for n, s in zip(shape, spacing, strict=True)))


def score_volume(
    prediction: Tensor,
    truth: Tensor,
    classes: int,
    spacing: Sequence[float],
    labels: Sequence[int | Sequence[int]],
    tolerance: float = 1.0,
) -> Tensor:
    """Compute all `SCORES` of one volume, with the rule for empty masks above.

    Args:
        prediction: Integer label map [*spatial].
        truth: Integer label map [*spatial].
        classes: Number of classes, background included.
        spacing: Voxel size in mm along each axis.
        labels: What to score: labels, or regions of several labels.
        tolerance: Tolerance of the NSD in mm.

    Returns:
        Scores [5, labels], float64.

    Raises:
        ValueError: If shapes differ, a label is out of range, or the spacing does not fit the volume.
    """
    spacing = [float(s) for s in spacing]
    if len(spacing) != truth.ndim or not all(s > 0 for s in spacing):
        raise ValueError(
            f"spacing {spacing} does not fit a volume of {truth.ndim} axes: give each a positive mm"
        )
    ours, theirs = _small(prediction, truth, classes)
    box = extent(ours, theirs)
    counts = _counted(ours[box], theirs[box], classes, ours.size).double()
    overlap, surface = [], []
    for group in ([label] if isinstance(label, int) else list(label) for label in labels):
        both, either = counts[group][:, group].sum(), (counts[:, group].sum(), counts[group].sum())
        overlap.append([float(2 * both / sum(either)), float(both / (sum(either) - both))])
        present, part = [each > 0 for each in either], box if 0 not in group else ...
        if all(present):
            found, true = (torch.from_numpy(_inside(each[part], group)) for each in (ours, theirs))
            surface.append(_surface_scores(*surface_distances(found, true, spacing), tolerance))
        else:
            far = diagonal(truth.shape, spacing)
            surface.append([far, far, 0.0] if any(present) else [float("nan")] * 3)
    rows = [[*both, *rest] for both, rest in zip(overlap, surface, strict=True)]
    return torch.tensor(rows, dtype=torch.double).reshape(-1, len(SCORES)).T


def _inside(labels: np.ndarray, group: Sequence[int]) -> np.ndarray:
    """Return where a label map has one of some labels."""
    return np.asarray(labels == group[0] if len(group) == 1 else np.isin(labels, group))


def restricted(prediction: Tensor, truth: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return both label maps with background where the truth is not valid.

    Args:
        prediction: Label map [*spatial].
        truth: Label map of the same shape.
        valid: Where the truth counts, bool of this shape; None for everywhere.
    """
    if valid is None:
        return prediction, truth
    ours, theirs = (
        labels.where(valid.to(labels.device), torch.zeros_like(labels)) for labels in (prediction, truth)
    )
    return ours, theirs


def _surface_scores(there: Tensor, back: Tensor, tolerance: float) -> list[float]:
    far, mean = hd95(there, back), average_surface_distance(there, back)
    return [float(far), float(mean), float(normalised_surface_dice(there, back, tolerance))]
