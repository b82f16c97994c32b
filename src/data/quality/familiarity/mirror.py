"""Test of a mistake that turns the signs of measurements: inverted grey, or reversed channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FEWEST = 6
"""Training cases that are needed."""
SHRINKAGE = 0.2
"""Weight of the diagonal in the covariance, at least; few cases say little about correlations."""


@dataclass(frozen=True)
class Mirror:
    """A linear discriminant between images and their mirrored versions, whose measurements are the negatives.

    Attributes:
        weights: One for each measurement; training cases score 1 on average, mirrored ones -1.
        limit: A lower score looks mirrored,
        lowest: unless it is below this, where it looks like nothing known.
    """

    weights: tuple[float, ...]
    limit: float = -math.inf
    lowest: float = -math.inf

    @classmethod
    def of(cls, measured: np.ndarray) -> Mirror | None:
        """Return Fisher's discriminant of measurements [N, D]; None if they are too few or all 0 on average.

        Both classes have the same covariance, and opposite means; the covariance is shrunk to its diagonal.
        """
        count, size = measured.shape
        if count < FEWEST or not size:
            return None
        mean = measured.mean(0)
        cov = np.atleast_2d(np.cov(measured, rowvar=False))
        share = max(SHRINKAGE, size / (count + size))
        own = np.diag(np.diag(cov) + 1e-3 * (measured**2).mean(0) + 1e-12)
        weights = np.linalg.solve((1 - share) * cov + share * own, mean)
        norm = float(weights @ mean)
        return cls(tuple((weights / norm).tolist())) if norm > 1e-9 else None

    def score(self, measured: np.ndarray) -> np.ndarray:
        """Return the scores [N] of measurements [N, D]: about 1 as in training, about -1 if mirrored."""
        scores: np.ndarray = measured @ np.array(self.weights)
        return scores

    def looks_mirrored(self, measured: Sequence[float]) -> bool:
        """Return True if measurements [D] are more like those of mirrored images."""
        if len(measured) != len(self.weights):
            return False
        return self.lowest <= float(np.dot(measured, self.weights)) < self.limit

    def to_plain(self) -> dict[str, Any]:
        return asdict(self) | {"weights": [float(f"{weight:.6g}") for weight in self.weights]}
