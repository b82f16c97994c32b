"""Scores of many cases, gathered over batches and processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric


class CaseTable(CaseMetric):
    """Table with one row of scores per case; the result is their means over cases without NaN."""

    rows: Any

    def __init__(self, scores: Sequence[str]) -> None:
        super().__init__("rows")
        self.scores = tuple(scores)

    def update(self, case: str, values: Mapping[str, float]) -> None:
        """Add the scores of one case; ValueError for a name that is too long."""
        self.keep(case, rows=[float(values[score]) for score in self.scores])

    def compute(self) -> dict[str, Tensor]:
        """Return the mean of each score over the cases, 0-dim."""
        cases = self.rows_by_case(len(self.scores))
        empty = torch.full((1, len(self.scores)), torch.nan)
        means = (torch.stack(list(cases.values())) if cases else empty).nanmean(0)
        return dict(zip(self.scores, means.float(), strict=True))

    def per_case(self) -> list[dict[str, str | float]]:
        """Return one row per case, sorted: `case` and every score. Every process must call it."""
        with self.sync_context():
            cases = self.rows_by_case(len(self.scores))
        return [
            {"case": case, **dict(zip(self.scores, row.tolist(), strict=True))} for case, row in cases.items()
        ]
