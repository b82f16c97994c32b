"""Warnings that a case is unlike the training cases of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganatomy.data.quality.familiarity.judge import Reason, unlike
from ganatomy.data.records import Case

GRID = ("axes", "finite", "spacing", "size")
"""Kinds of reasons that do not depend on the values of all channels."""


def reasons(familiarity: Mapping[str, Any] | None, case: Case) -> list[Reason]:
    """Return the reasons why a case is unlike the training cases; none of a run that kept nothing of them.

    Args:
        familiarity: Section of the run's preprocessing.
        case: Arrays as the source loads them, before they are prepared. Of one that lacks channels, which
            is not one with empty channels, the grid alone is looked at.

    Raises:
        UserError: Another version kept what is familiar.
    """
    if familiarity is None:
        return []
    found = unlike(familiarity, case["image"], case["spacing"], case["affine"])
    if "present" in case and not case["present"].all():
        return [reason for reason in found if reason.kind in GRID]
    return found
