"""Settings of the virtual heads: checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.data.sources.contrasts.signals import CONTRASTS
from ganatomy.data.sources.lesions import BrainLesions
from ganatomy.errors import UserError, one_of

WINDOW = (-1000.0, 1500.0)
"""Window of a CT, HU."""


def contrasts_of(key: str, names: str | Sequence[str]) -> tuple[str, ...]:
    """Return the contrasts of the side `data.<key>`.

    Raises UserError if one is unknown or named twice.
    """
    given = (names,) if isinstance(names, str) else tuple(names)
    for name in given:
        one_of(f"data.{key}", name, CONTRASTS)
    if len(set(given)) < len(given):
        raise UserError(f"data.{key}=[{','.join(given)}]: names a contrast twice; name each once")
    return given


def suited_to(contrasts: tuple[str, ...]) -> Any:
    """Return the setting of intensity for each contrast of a side; a single one for a single contrast."""
    found = [list(WINDOW) if contrast == "ct" else "percentile" for contrast in contrasts]
    return found[0] if len(found) == 1 else found


def check_amounts(**amounts: float) -> None:
    """Raise UserError for a number below 0, or one that is not finite."""
    for key, value in amounts.items():
        if not 0 <= value < np.inf:
            raise UserError(f"data.{key}={value}: must be 0 or more")


def check_shares(**shares: float | None) -> None:
    """Raise UserError for a share outside 0 to 1; None is none."""
    for key, share in shares.items():
        if share is not None and not 0 <= share <= 1:
            raise UserError(f"data.{key}={share}: must be a fraction of the subjects, 0 to 1")


def planter(count: int, radius: tuple[float, float], seed: int) -> BrainLesions:
    """Return the source that draws where lesions lie.

    Args:
        count: largest number of a subject.
        radius: least and largest mean radius, mm.
        seed: seed of the cohort.

    Raises:
        UserError: there can be no such lesions.
    """
    if count < 1:
        raise UserError(f"data.lesion_count={count}: at least 1 is needed; for none: data.lesions=0")
    if len(radius) != 2 or not 0 < radius[0] <= radius[1]:
        raise UserError(f"data.lesion_radius={list(radius)}: give the least and the largest, above 0")
    return BrainLesions(lesions=count, radius=radius, cohort_seed=seed)


def is_among(index: int, share: float) -> bool:
    """Return True for a share of the subjects, spread evenly: any first n hold the same fraction of them."""
    return int((index + 1) * share) > int(index * share)
