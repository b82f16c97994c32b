"""Density and coverage of the real set by the synthetic one."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.metrics.finite import refuse_not_finite
from ganatomy.metrics.synthesis.nearest.distances import kth_distance, nearer_than

ROWS = 512


class Coverage:
    """Density and coverage of one real set. Naeem et al., arXiv 2002.09797.

    A real image's ball reaches to its k-th nearest real neighbour.

    Args:
        real: Features [m, d].
        k: Neighbour that sets the radius.

    Raises:
        ValueError: For a feature that is not finite.
    """

    def __init__(self, real: Tensor, k: int = 5) -> None:
        refuse_not_finite("coverage", real)
        self.real, self.k = real.double(), k
        self.radii: list[Tensor] = []
        if len(real) > k:  # the nearest is the image itself
            self.radii = [kth_distance(part, self.real, k + 1) for part in torch.split(self.real, ROWS)]

    def __call__(self, fake: Tensor) -> tuple[float, float]:
        """Compute the scores of features [n, d].

        density: mean number of balls that hold a fake, over k; about 1 for a second real set, above 1 for
        images of the middle of the set. coverage: fraction of the balls that hold any fake.

        Returns:
            (density, coverage); NaN with no fakes or no more than k real images.

        Raises:
            ValueError: For a feature that is not finite.
        """
        refuse_not_finite("coverage", fake)
        if not self.radii or len(fake) == 0:
            return float("nan"), float("nan")
        fake, held, reached = fake.double(), 0, 0
        for part, radius in zip(torch.split(self.real, ROWS), self.radii, strict=True):
            inside = nearer_than(radius, part, fake)
            held += int(inside.sum())
            reached += int(inside.any(1).sum())
        return held / (self.k * len(fake)), reached / len(self.real)


def density_and_coverage(fake: Tensor, real: Tensor, k: int = 5) -> tuple[float, float]:
    """Compute density and coverage of features as `Coverage` does.

    Args:
        fake: Features [n, d].
        real: Features [m, d].
        k: Neighbour that sets the radius.

    Returns:
        (density, coverage); NaN with no fakes or no more than k real images.

    Raises:
        ValueError: For a feature that is not finite.
    """
    refuse_not_finite("coverage", fake, real)
    return Coverage(real, k)(fake)
