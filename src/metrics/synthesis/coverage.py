"""Density and coverage of the real set by the synthetic one."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.metrics.finite import refuse_not_finite

ROWS = 512


def density_and_coverage(fake: Tensor, real: Tensor, k: int = 5) -> tuple[float, float]:
    """Compute density and coverage of features. Naeem et al., arXiv 2002.09797.

    A real image's ball reaches to its k-th nearest real neighbour. density: mean number of balls that hold a
    fake, over k; about 1 for a second real set, above 1 for images of the middle of the set. coverage:
    fraction of the balls that hold any fake.

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
    if len(real) <= k or len(fake) == 0:
        return float("nan"), float("nan")
    fake, real = fake.double(), real.double()
    held, reached = 0, 0
    for part in torch.split(real, ROWS):
        radius = _apart(part, real).kthvalue(k + 1, dim=1, keepdim=True).values  # the nearest is itself
        inside = _apart(part, fake) < radius
        held += int(inside.sum())
        reached += int(inside.any(1).sum())
    return held / (k * len(fake)), reached / len(real)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
