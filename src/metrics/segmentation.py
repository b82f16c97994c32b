"""Scores of many volumes, added up over batches and processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from src.metrics.labelmaps import SCORES, score_volume

NAME_BYTES = 128


class VolumeScores(Metric):
    """Dice, IoU, HD95, ASD and NSD per class: means over volumes, which are scored whole, never by slices.

    `classes` names every label from 0 on, background first; `tolerance` in mm is the NSD's. A volume that
    reaches two processes (samplers fill up the last round) counts once: N processes give what one gives, in
    any order.
    """

    full_state_update = False
    names: list[Tensor] | Tensor
    rows: list[Tensor] | Tensor

    def __init__(
        self, classes: Sequence[str], include_background: bool = False, tolerance: float = 1.0
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.first = 0 if include_background else 1
        self.tolerance = tolerance
        # Flat: a process without a single volume joins the gathering with an empty one-dimensional tensor.
        self.add_state("names", default=[], dist_reduce_fx="cat")
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, case: str, prediction: Tensor, truth: Tensor, spacing: Sequence[float]) -> None:
        """Score one volume: label maps [*spatial], spacing in mm per axis; a ValueError names the case."""
        try:
            labels = range(self.first, len(self.classes))
            scores = score_volume(prediction, truth, len(self.classes), spacing, labels, self.tolerance)
        except ValueError as error:
            raise ValueError(f"{case}: {error}") from error
        assert isinstance(self.names, list) and isinstance(self.rows, list)
        self.names.append(_encode(case).to(self.device))
        self.rows.append(scores.flatten().float().to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Flat names to 0-dim tensors.

        `dice/<class>` is the mean over the counted volumes and `dice` the mean of the classes, likewise the
        other scores; `absent/<class>` is how many volumes hold the class in neither map, `volumes` how many
        there were.
        """
        cases = self._cases()
        shape = (len(cases), len(SCORES), len(self.classes) - self.first)
        table = torch.stack(list(cases.values())) if cases else torch.empty(shape, dtype=torch.double)
        by_class = table.nanmean(0)
        result = {}
        for name, values in zip(SCORES, by_class, strict=True):
            result[name] = values.nanmean()
            result |= {f"{name}/{c}": value for c, value in zip(self._scored, values, strict=True)}
        absent = table[:, 0].isnan().sum(0)
        result |= {f"absent/{c}": count for c, count in zip(self._scored, absent, strict=True)}
        result["volumes"] = torch.tensor(len(cases))
        return {name: value.float() for name, value in result.items()}

    def per_case(self) -> list[dict[str, str | float]]:
        """One row a volume, sorted: `case`, `dice`, `dice/<class>`, ... Every process must call it."""
        with self.sync_context():
            cases = self._cases()
        rows = []
        for case, scores in cases.items():
            row: dict[str, str | float] = {"case": case}
            for name, values in zip(SCORES, scores, strict=True):
                row[name] = float(values.nanmean())
                row |= {f"{name}/{c}": float(value) for c, value in zip(self._scored, values, strict=True)}
            rows.append(row)
        return rows

    @property
    def _scored(self) -> tuple[str, ...]:
        return self.classes[self.first :]

    def _cases(self) -> dict[str, Tensor]:
        """[scores, classes] of each case, sorted, so that no sum depends on the order of arrival."""
        names = _flat(self.names).reshape(-1, NAME_BYTES)
        rows = _flat(self.rows).reshape(-1, len(SCORES), len(self._scored))
        cases: dict[str, Tensor] = {}
        for case, row in sorted(zip(map(_decode, names), rows, strict=True), key=lambda pair: pair[0]):
            if case in cases and not torch.allclose(cases[case], row.double(), equal_nan=True):
                raise ValueError(
                    f"{case}: two volumes of this name have different scores: name each volume apart"
                )
            cases[case] = row.double()
        return cases


def _flat(state: list[Tensor] | Tensor) -> Tensor:
    tensors = [state] if isinstance(state, Tensor) else state
    return torch.cat(tensors).cpu() if tensors else torch.empty(0)


def _encode(case: str) -> Tensor:
    text = case.encode()
    if len(text) > NAME_BYTES:
        raise ValueError(f"{case}: the name of a volume has {len(text)} bytes: {NAME_BYTES} are allowed")
    return torch.tensor(list(text.ljust(NAME_BYTES, b"\0")), dtype=torch.float32)


def _decode(row: Tensor) -> str:
    return bytes(row.to(torch.uint8).tolist()).rstrip(b"\0").decode()
