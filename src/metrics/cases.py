"""Scores of many cases, added up over batches and processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric


class CaseTable(CaseMetric):
    """One row of numbers a case; its scores are the means over cases, NaN left out."""

    rows: Any

    def __init__(self, scores: Sequence[str]) -> None:
        super().__init__("rows")
        self.scores = tuple(scores)

    def update(self, case: str, values: Mapping[str, float]) -> None:
        """Take in the scores of one case; a ValueError names a case of more than 128 bytes."""
        self.keep(case, rows=[float(values[score]) for score in self.scores])

    def compute(self) -> dict[str, Tensor]:
        """Each score's mean over the cases, 0-dim."""
        cases = self.rows_by_case(len(self.scores))
        empty = torch.full((1, len(self.scores)), torch.nan)
        means = (torch.stack(list(cases.values())) if cases else empty).nanmean(0)
        return dict(zip(self.scores, means.float(), strict=True))

    def per_case(self) -> list[dict[str, str | float]]:
        """One row a case, sorted: `case` and every score. Every process must call it."""
        with self.sync_context():
            cases = self.rows_by_case(len(self.scores))
        return [
            {"case": case, **dict(zip(self.scores, row.tolist(), strict=True))} for case, row in cases.items()
        ]
