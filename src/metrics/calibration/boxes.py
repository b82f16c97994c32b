"""Calibration of the scores of boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ganatomy.metrics.calibration.reliability import BINS, Reliability
from ganatomy.metrics.detection.matching import match
from ganatomy.metrics.detection.table import Image


def box_reliability(
    images: Iterable[Image], match_iou: float = 0.3, bins: int | Sequence[float] = BINS
) -> Reliability:
    """Return how often a box of a given score matches an object of its class.

    Küppers et al., "Multivariate confidence calibration for object detection", CVPR workshops 2020 (arXiv
    2004.13546), with scores alone. Every box that the decoder kept counts, also below the threshold; objects
    without a box do not, since they have no score.

    Args:
        images: Detections and truth, such as `DetectionTable.images()`.
        match_iou: Least IoU of a hit.
        bins: Number of bins of equal width, or their edges.
    """
    scores, hits = [np.empty(0)], [np.empty(0, bool)]
    for image in images:
        for label in np.unique(image.classes):
            ours, theirs = image.classes == label, image.truth_classes == label
            scores.append(image.scores[ours])
            hits.append(match(image.boxes[ours], image.scores[ours], image.truth[theirs], [match_iou])[0])
    return Reliability.of(np.clip(np.concatenate(scores), 0, 1), np.concatenate(hits), bins)
