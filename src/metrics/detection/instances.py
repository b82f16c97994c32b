"""Scores of instance maps: aggregated Jaccard index and panoptic quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.metrics.case_metric import first_places
from ganatomy.metrics.detection.table import DetectionTable, Image

MATCHED = 0.5
"""IoU above which two objects match; no object then has two matches."""
QUALITIES = ("pq", "sq", "rq")
PERCENTILES = (2.5, 97.5)


def common(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return how many voxels of true object i found object j covers, [N + 1, M + 1]; 0 is the background.

    Args:
        truth: Instance map [*spatial] of objects 1 to N.
        found: Instance map of the same shape, of objects 1 to M.

    Raises:
        ValueError: The shapes differ, or a number is below 0.
    """
    if truth.shape != found.shape:
        raise ValueError(f"instance maps of {truth.shape} and {found.shape}")
    if min(truth.min(initial=0), found.min(initial=0)) < 0:
        raise ValueError("an instance map holds numbers below 0")
    rows, columns = int(truth.max(initial=0)) + 1, int(found.max(initial=0)) + 1
    pairs = truth.astype(np.int64).reshape(-1) * columns + found.reshape(-1)
    return np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)


def jaccard(shared: np.ndarray) -> tuple[float, float]:
    """Return the two sums whose ratio is the aggregated Jaccard index, AJI.

    Algorithm 1 of Kumar et al., IEEE TMI 36 (2017) 1550: each true object adds its intersection and union
    with the found object of the largest IoU; a found object that is the partner of none adds its size to the
    union.

    Args:
        shared: See `common`.

    Returns:
        (intersections, unions); the index is 1 for equal maps, and 0 if objects exist and none is found.

    Example:
        >>> jaccard(common(np.array([1, 1, 2, 0]), np.array([1, 1, 1, 2])))
        (3.0, 7.0)
    """
    inside = shared[1:, 1:]
    sizes, theirs = shared[1:].sum(1), shared[:, 1:].sum(0)
    if not inside.size:
        return 0.0, float(sizes.sum() + theirs.sum())
    unions = sizes[:, None] + theirs - inside
    partner = (inside / np.maximum(unions, 1)).argmax(1)
    rows = np.arange(len(inside))
    meets = inside[rows, partner] > 0
    alone = np.ones(len(theirs), bool)
    alone[partner[meets]] = False
    both = np.where(meets, unions[rows, partner], sizes)
    return float(inside[rows, partner].sum()), float(both.sum() + theirs[alone].sum())


def matches(shared: np.ndarray, truth_classes: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """Return true positives, false positives, false negatives and the sum of IoUs per class, [K, 4].

    The counts of panoptic quality (Kirillov et al., CVPR 2019, arXiv 1801.00868, eq. 1).

    Args:
        shared: See `common`.
        truth_classes: Class of each true object [N].
        classes: Class of each found object [M].
        count: Number of classes K.
    """
    inside, sizes, theirs = shared[1:, 1:], shared[1:].sum(1), shared[:, 1:].sum(0)
    overlap = inside / np.maximum(sizes[:, None] + theirs - inside, 1)
    overlap = np.where(truth_classes[:, None] == classes, overlap, 0)
    rows, columns = np.nonzero(overlap > MATCHED)
    result = np.zeros((count, 4))
    for kind in range(count):
        own = truth_classes[rows] == kind
        hits = int(own.sum())
        wrong = int(((classes == kind) & (theirs > 0)).sum()) - hits
        missed = int(((truth_classes == kind) & (sizes > 0)).sum()) - hits
        result[kind] = hits, wrong, missed, overlap[rows[own], columns[own]].sum()
    return result


def qualities(counts: np.ndarray) -> dict[str, float]:
    """Return panoptic, segmentation and recognition quality, from the counts [K, 4] of `matches`.

    PQ = SQ · RQ with SQ, the mean IoU of matched objects, and RQ, the F1 score; each a mean over the classes
    that have an object, true or found. NaN without one; SQ is NaN for a class without a match.

    Example:
        >>> {name: round(value, 3) for name, value in qualities(np.array([[3, 1, 1, 2.4]])).items()}
        {'pq': 0.6, 'sq': 0.8, 'rq': 0.75}
    """
    hits, wrong, missed, overlap = counts.T
    total = hits + (wrong + missed) / 2
    seen = total > 0
    if not seen.any():
        return dict.fromkeys(QUALITIES, float("nan"))
    matched = hits > 0
    return {
        "pq": float((overlap[seen] / total[seen]).mean()),
        "sq": float((overlap[matched] / hits[matched]).mean()) if matched.any() else float("nan"),
        "rq": float((hits[seen] / total[seen]).mean()),
    }


class InstanceTable(DetectionTable):
    """Scores of boxes and of instance maps over images.

    AJI is the mean over the images that have objects; false objects in the others count in PQ, whose counts
    are of all images together.

    Args:
        classes: Names of the classes.
        dims: Number of spatial axes.
        match_iou: Least IoU of a hit of boxes, see `DetectionTable`.
    """

    counts: Any

    def __init__(self, classes: Sequence[str], dims: int, match_iou: float = 0.3) -> None:
        super().__init__(classes, dims, match_iou)
        self.add_state("counts", default=[], dist_reduce_fx="cat")

    def update(  # type: ignore[override]
        self,
        image: Image,
        maps: tuple[np.ndarray, np.ndarray],
        kinds: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Add one image.

        Args:
            image: Its boxes.
            maps: Its true and its found instance map [*spatial].
            kinds: The classes of the objects of each map, [N] and [M].
        """
        super().update(image)
        shared = common(*maps)
        truth, found = (kind[: side - 1] for kind, side in zip(kinds, shared.shape, strict=True))
        both = matches(shared, truth, found, len(self.classes))
        row = np.concatenate([jaccard(shared), both.reshape(-1)])
        self.counts.append(torch.as_tensor(row).float().to(self.device))

    def compute(self) -> dict[str, Tensor]:
        found = self._quality(self._rows())
        return super().compute() | {name: torch.tensor(value) for name, value in found.items()}

    def per_case(self) -> list[dict[str, str | float]]:
        rows = super().per_case()
        with self.sync_context():
            each = self._rows()
        own = [self._quality(row[None]) for row in each]
        return [row | {"aji": one["aji"], "pq": one["pq"]} for row, one in zip(rows, own, strict=True)]

    def bootstrap(
        self, subjects: Mapping[str, int], draws: int = 200, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        found = super().bootstrap(subjects, draws, seed)
        rows, rng = self._rows(), np.random.default_rng(seed)
        owners = np.array([subjects[case] for case in sorted(set(self.case_names()))])
        places = [np.flatnonzero(owners == owner) for owner in np.unique(owners)]
        drawn = [
            self._quality(
                rows[np.concatenate([places[n] for n in rng.integers(0, len(places), len(places))])]
            )
            for _ in range(draws)
        ]
        for name in drawn[0]:
            values = np.array([row[name] for row in drawn])
            if (defined := values[np.isfinite(values)]).size:
                low, high = np.percentile(defined, PERCENTILES).tolist()
                found[name] = (low, high)
        return found

    def _rows(self) -> np.ndarray:
        """Return intersections, unions and the counts of each class [images, 2 + 4 K], sorted by name."""
        places = list(first_places(self.case_names()).values())
        return self.table("counts", 2 + 4 * len(self.classes)).double().numpy()[places]

    def _quality(self, rows: np.ndarray) -> dict[str, float]:
        each = rows[:, 2:].reshape(len(rows), len(self.classes), 4)
        counts, objects = each.sum(0), each[:, :, [0, 2]].sum((1, 2)) > 0
        ratios = rows[objects, 0] / rows[objects, 1]
        scores = {"aji": float(ratios.mean()) if len(ratios) else float("nan")} | qualities(counts)
        if len(self.classes) > 1:
            own = [qualities(count[None])["pq"] for count in counts]
            scores |= {f"pq/{name}": value for name, value in zip(self.classes, own, strict=True)}
        return scores
