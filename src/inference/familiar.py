"""Warnings that a case is unlike the training cases of a run."""

from __future__ import annotations

from ganatomy.data.quality.familiarity.judge import Reason, unlike
from ganatomy.data.records import Case
from ganatomy.training.preprocessing import Preprocessing


def reasons(kept: Preprocessing, case: Case) -> list[Reason]:
    """Return the reasons why a case is unlike the training cases; none of a run that kept nothing of them.

    Args:
        kept: Preprocessing of the run.
        case: Arrays as the source loads them, before they are prepared.

    Raises:
        UserError: Another version kept what is familiar.
    """
    if kept.familiarity is None:
        return []
    return unlike(kept.familiarity, case["image"], case["spacing"], case["affine"])
