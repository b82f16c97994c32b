"""Image scores and pixel maps of a split, gathered over batches and processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.ndimage import label as components
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric, encode, first_places
from ganatomy.metrics.ranking import LIMIT, aupro, auroc, auroc_interval, average_precision

IMAGE_SCORES = ("auroc", "auroc_low", "auroc_high", "ap")
PIXEL_SCORES = ("pixel_ap", "aupro")

Maps = Tensor | Sequence[Tensor] | Sequence[Sequence[Tensor]]


class AnomalyTable(CaseMetric):
    """AUROC with its interval by subject, AP, and for maps pixel AP and AUPRO, each over the whole split.

    `pixels`: True if lesions are outlined, so that maps can be scored.
    """

    subjects: Any
    rows: Any
    maps: Any
    shares: Any

    def __init__(self, pixels: bool) -> None:
        super().__init__("subjects", "rows", "maps", "shares")
        self.pixels = pixels

    def update(
        self,
        names: Sequence[str],
        subjects: Sequence[str],
        scores: Tensor,
        ill: Tensor,
        maps: Maps | None = None,
        masks: Maps | None = None,
    ) -> None:
        """Add images.

        A map and its mask may be lists of planes; lesions do not extend over planes.

        Args:
            names: Name of each image.
            subjects: Subject of each image.
            scores: Score of each image, [n].
            ill: True for anomalous images, [n].
            maps: Anomaly maps [n, *spatial].
            masks: Lesion masks of the same shape.

        Raises:
            ValueError: A score or a map of the named image holds NaN, which cannot be ranked.
        """
        drawn = [_planes(each) for each in maps] if self.pixels and maps is not None else []
        for name, score, planes in zip(names, scores, drawn or [[]] * len(names), strict=True):
            if any(bool(values.isnan().any()) for values in (score, *planes)):
                raise ValueError(f"{name}: its score or map is not a number: the model has diverged")
        for number, (name, subject) in enumerate(zip(names, subjects, strict=True)):
            planes = drawn[number] if drawn else []
            row = [float(scores[number]), float(ill[number]), sum(plane.numel() for plane in planes)]
            pixels = _pixels(planes, _planes(masks[number])) if planes and masks is not None else {}
            self.keep(name, subjects=encode(subject), rows=row, **pixels)

    def compute(self) -> dict[str, Tensor]:
        """Return flat names to 0-dim tensors; NaN for undefined scores."""
        words, rows, maps, shares = self._kept()
        scores, ill = rows[:, 0], rows[:, 1] > 0
        low, high = auroc_interval(scores, ill, [subject for _, subject in words])
        found = {"auroc": auroc(scores, ill), "auroc_low": low, "auroc_high": high}
        found["ap"] = average_precision(scores, ill)
        if self.pixels:
            found |= {"pixel_ap": average_precision(maps, shares > 0), "aupro": aupro(maps, shares)}
        return {name: torch.tensor(value, dtype=torch.float32) for name, value in found.items()}

    def chance(self) -> dict[str, float]:
        """Return the scores of a random ranking: ½, the fraction of anomalous, and half of AUPRO's limit.

        Every process must call it.
        """
        with self.sync_context():
            _, rows, _, shares = self._kept()
        share = float((rows[:, 1] > 0).mean()) if len(rows) else float("nan")
        found = {"auroc": 0.5, "ap": share}
        if self.pixels:
            found |= {"pixel_ap": float((shares > 0).mean()) if len(shares) else float("nan")}
            found |= {"aupro": LIMIT / 2}
        return found

    def per_case(self) -> list[dict[str, str | float]]:
        """Return sorted rows of `case`, `score` and `anomalous` (0 or 1). Every process must call it."""
        with self.sync_context():
            words, rows, _, _ = self._kept()
        return [
            {"case": name, "score": float(row[0]), "anomalous": int(row[1])}
            for (name, _), row in zip(words, rows, strict=True)
        ]

    def _kept(self) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray, np.ndarray]:
        """Return (name, subject), rows, maps and shares of every image, sorted by name, each image once."""
        words = list(zip(self.case_names(), self.words("subjects"), strict=True))
        rows = self.table("rows", 3).numpy()
        places = first_places(words)
        order, sizes = list(places.values()), rows[:, 2].astype(np.int64).tolist()
        parts = (self.ragged(state, sizes) for state in ("maps", "shares"))
        maps, shares = (
            torch.cat([part[i] for i in order]).numpy() if order else np.zeros(0, np.float32)
            for part in parts
        )
        return list(places), rows[order], maps, shares


def region_shares(mask: Tensor) -> Tensor:
    """Return 1 over the size of its connected region (with diagonals) for lesion pixels, 0 elsewhere."""
    inside = mask.detach().cpu().numpy() > 0
    regions, count = components(inside, np.ones((3,) * inside.ndim))
    sizes = np.bincount(regions.ravel(), minlength=count + 1).astype(np.float64)
    shares = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    shares[0] = 0.0
    return torch.from_numpy(shares[regions]).float()


def _planes(values: Any) -> list[Tensor]:
    """Return a map, or a list of planes, as a list."""
    return [values] if isinstance(values, Tensor) else list(values)


def _pixels(planes: list[Tensor], masks: list[Tensor]) -> dict[str, Tensor]:
    """Return the values of an image's planes in one row, and the shares of their lesions."""
    pairs = list(zip(planes, masks, strict=True))
    return {
        "maps": torch.cat([plane.flatten() for plane, _ in pairs]),
        "shares": torch.cat([region_shares(mask).flatten() for _, mask in pairs]),
    }
