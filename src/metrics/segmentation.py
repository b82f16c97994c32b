"""Scores of many volumes, added up over batches and processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from src.metrics.labelmaps import SCORES, score_volume

NAME_BYTES = 128
WHOLE = ("empty", "found", "peak")
"""What is kept of a volume as a whole: whether its truth is background alone, whether anything but background
was predicted, and how suspicious it is."""


class VolumeScores(Metric):
    """Dice, IoU, HD95, ASD and NSD per class: means over volumes, which are scored whole, never by slices.

    A volume whose truth is background alone has none of them: it counts in the rate of false positives.
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
        self.seen: dict[str, Tensor] = {}  # by this process: there a name stands for one volume
        # Flat: a process without a single volume joins the gathering with an empty one-dimensional tensor.
        self.add_state("names", default=[], dist_reduce_fx="cat")
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(
        self,
        case: str,
        prediction: Tensor,
        truth: Tensor,
        spacing: Sequence[float],
        peak: float = float("nan"),
    ) -> None:
        """Score one volume: label maps [*spatial], spacing in mm per axis; a ValueError names the case.

        peak: how suspicious it is, for a gate; NaN where nobody knows.
        """
        try:
            labels = range(self.first, len(self.classes))
            scores = score_volume(prediction, truth, len(self.classes), spacing, labels, self.tolerance)
        except ValueError as error:
            raise ValueError(f"{case}: {error}") from error
        empty, found = not bool((truth > 0).any()), bool((prediction > 0).any())
        if empty:
            scores[:, 1 - self.first :] = float("nan")
        whole = torch.tensor([empty, found, peak], dtype=torch.double)
        assert isinstance(self.names, list) and isinstance(self.rows, list)
        row = torch.cat([whole, scores.flatten()]).float()
        if not torch.allclose(self.seen.setdefault(case, row), row, equal_nan=True):
            raise ValueError(f"{case}: two volumes of this name have different scores: name them apart")
        self.names.append(_encode(case).to(self.device))
        self.rows.append(row.to(self.device))

    def reset(self) -> None:
        super().reset()
        self.seen = {}

    def compute(self) -> dict[str, Tensor]:
        """Flat names to 0-dim tensors.

        `dice/<class>` is the mean over the counted volumes and `dice` the mean of the classes, likewise the
        other scores; `absent/<class>` is for how many volumes the class did not count, `volumes` how many
        there were. With volumes whose truth is background alone, `empty` of them: `false_positive_rate`, the
        share of these in which something is found, and `true_positive_rate`, the share of the others.
        """
        cases = self._cases()
        shape = (len(cases), len(SCORES), len(self._scored))
        table = torch.stack([self._by_class(row) for row in cases.values()]) if cases else torch.empty(shape)
        by_class = table.nanmean(0)
        result = {}
        for name, values in zip(SCORES, by_class, strict=True):
            result[name] = values.nanmean()
            result |= {f"{name}/{c}": value for c, value in zip(self._scored, values, strict=True)}
        absent = table[:, 0].isnan().sum(0)
        result |= {f"absent/{c}": count for c, count in zip(self._scored, absent, strict=True)}
        result["volumes"] = torch.tensor(len(cases))
        found: dict[bool, list[float]] = {True: [], False: []}
        for row in cases.values():
            found[bool(row[0])].append(float(row[1]))
        if found[True]:
            result["false_positive_rate"] = torch.tensor(found[True]).mean()
            result["true_positive_rate"] = torch.tensor(found[False]).mean()
            result["empty"] = torch.tensor(len(found[True]))
        return {name: value.float() for name, value in result.items()}

    def per_case(self) -> list[dict[str, str | float]]:
        """One row a volume, sorted: `case`, `dice`, `dice/<class>`, ... Every process must call it.

        Where the truth of some is background alone, `WHOLE` of each too.
        """
        with self.sync_context():
            cases = self._cases()
        told = WHOLE if any(row[0] for row in cases.values()) else ()
        rows = []
        for case, values in cases.items():
            row: dict[str, str | float] = {"case": case}
            for name, scores in zip(SCORES, self._by_class(values), strict=True):
                row[name] = float(scores.nanmean())
                row |= {f"{name}/{c}": float(score) for c, score in zip(self._scored, scores, strict=True)}
            rows.append(row | {name: float(value) for name, value in zip(told, values, strict=False)})
        return rows

    def gate(self, keep: float) -> float:
        """The largest peak such that the volumes that reach it hold at least the share `keep` of all Dice.

        Volumes whose truth is background alone have no say, and misses weigh nothing. 0 where no lesion was
        found. Every process must call it.
        """
        with self.sync_context():
            cases = self._cases()
        dice = sorted(
            (float(row[2]), float(self._by_class(row)[0].nanmean())) for row in cases.values() if not row[0]
        )
        least, above = keep * math.fsum(d for _, d in dice), 0.0
        for peak, own in reversed(dice):
            above += own
            if above > 0 and above >= least - 1e-9:
                return peak
        return 0.0

    @property
    def _scored(self) -> tuple[str, ...]:
        return self.classes[self.first :]

    def _by_class(self, row: Tensor) -> Tensor:
        """[scores, classes] of a volume's row."""
        return row[len(WHOLE) :].reshape(len(SCORES), len(self._scored))

    def _cases(self) -> dict[str, Tensor]:
        """The row of each case, sorted, so that no sum depends on the order of arrival.

        Of one that reached two processes, which may differ in the last bit and so in a voxel, the first.
        """
        names = _flat(self.names).reshape(-1, NAME_BYTES)
        rows = _flat(self.rows).reshape(len(names), len(WHOLE) + len(SCORES) * len(self._scored))
        cases: dict[str, Tensor] = {}
        for case, row in sorted(zip(map(_decode, names), rows, strict=True), key=lambda pair: pair[0]):
            cases.setdefault(case, row.double())
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
