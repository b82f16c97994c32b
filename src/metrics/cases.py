"""Scores of many cases, added up over batches and processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

NAME_BYTES = 128


class CaseTable(Metric):
    """One row of numbers a case; its scores are the means over cases, NaN left out.

    A case that reaches two processes (samplers fill up the last round) counts once: N processes give what one
    gives, in any order.
    """

    full_state_update = False
    names: list[Tensor] | Tensor
    rows: list[Tensor] | Tensor

    def __init__(self, scores: Sequence[str]) -> None:
        super().__init__()
        self.scores = tuple(scores)
        # Flat: a process without a single case joins the gathering with an empty one-dimensional tensor.
        self.add_state("names", default=[], dist_reduce_fx="cat")
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, case: str, values: Mapping[str, float]) -> None:
        """Take in the scores of one case; a ValueError names a case of more than 128 bytes."""
        name = case.encode()
        if len(name) > NAME_BYTES:
            raise ValueError(f"{case}: the name of a case has {len(name)} bytes: {NAME_BYTES} are allowed")
        assert isinstance(self.names, list) and isinstance(self.rows, list)
        letters = torch.tensor(list(name.ljust(NAME_BYTES, b"\0")), dtype=torch.float32)
        self.names.append(letters.to(self.device))
        row = torch.tensor([values[score] for score in self.scores], dtype=torch.float32)
        self.rows.append(row.to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Each score's mean over the cases, 0-dim."""
        cases = self._cases()
        empty = torch.full((1, len(self.scores)), torch.nan)
        means = (torch.stack(list(cases.values())) if cases else empty).nanmean(0)
        return dict(zip(self.scores, means.float(), strict=True))

    def per_case(self) -> list[dict[str, str | float]]:
        """One row a case, sorted: `case` and every score. Every process must call it."""
        with self.sync_context():
            cases = self._cases()
        return [
            {"case": case, **dict(zip(self.scores, row.tolist(), strict=True))} for case, row in cases.items()
        ]

    def _cases(self) -> dict[str, Tensor]:
        """Sorted, so that no sum depends on the order of arrival."""
        names, rows = (
            _flat(self.names).reshape(-1, NAME_BYTES),
            _flat(self.rows).reshape(-1, len(self.scores)),
        )
        words = [bytes(name.to(torch.uint8).tolist()).rstrip(b"\0").decode() for name in names]
        return {case: row.double() for case, row in sorted(zip(words, rows, strict=True), key=lambda p: p[0])}


def _flat(state: list[Tensor] | Tensor) -> Tensor:
    tensors = [state] if isinstance(state, Tensor) else state
    return torch.cat(tensors).cpu() if tensors else torch.empty(0)
