"""Scores of many volumes, gathered over batches and processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric
from ganatomy.metrics.labelmaps import SCORES, restricted, score_volume
from ganatomy.metrics.outside import OutsideMetrics

WHOLE = ("empty", "found", "peak")
"""Values of a volume as a whole: is its truth background alone, is anything predicted, and its peak.

`empty` is NaN where no voxel of the truth is valid: nothing can be said of the volume."""


class VolumeScores(CaseMetric):
    """Dice, IoU, HD95, ASD and NSD per class: means over volumes, which are scored whole, never by slices.

    A volume whose truth is background alone has none of them: it counts in the rate of false positives. One
    without a valid voxel does not count at all.

    Args:
        classes: Names of every label from 0 on, background first.
        include_background: Score the background too.
        tolerance: Tolerance of the NSD in mm.
        outside: Further metrics of the user.
        regions: Labels of each region, by name, to score in place of the classes; they may overlap.
    """

    rows: Any

    def __init__(
        self,
        classes: Sequence[str],
        include_background: bool = False,
        tolerance: float = 1.0,
        outside: OutsideMetrics | None = None,
        regions: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__("rows")
        self.classes = tuple(classes)
        every = {name: [number] for number, name in enumerate(self.classes)}
        own = every if include_background else dict(list(every.items())[1:])
        self.groups = own if regions is None else {name: list(labels) for name, labels in regions.items()}
        self.with_background = include_background and regions is None
        self.tolerance = tolerance
        self.outside = outside or OutsideMetrics()
        self.by_class = (*SCORES, *self.outside.by_class)
        self.local_rows: dict[str, Tensor] = {}  # in one process a name stands for one volume

    def update(
        self,
        case: str,
        prediction: Tensor,
        truth: Tensor,
        spacing: Sequence[float],
        peak: float = float("nan"),
        valid: Tensor | None = None,
    ) -> None:
        """Score one volume.

        Args:
            case: Name of the volume.
            prediction: Label map [*spatial].
            truth: Label map of the same shape.
            spacing: Voxel size in mm along each axis.
            peak: Suspiciousness of the volume, for a gate; NaN if unknown.
            valid: Voxels that count, bool of the same shape; None for all.

        Raises:
            ValueError: The label maps do not fit, or a second volume has this name; names the case.
        """
        prediction, truth = restricted(prediction, truth, valid)
        try:
            labels = list(self.groups.values())
            scores = score_volume(prediction, truth, len(self.classes), spacing, labels, self.tolerance)
        except ValueError as error:
            raise ValueError(f"{case}: {error}") from error
        own = self.outside.values(case, prediction, truth, self._scored)
        scores = torch.cat([scores, own.by_class.to(scores)])
        empty, found = float(not bool((truth > 0).any())), bool((prediction > 0).any())
        if empty:
            scores[:, int(self.with_background) :] = float("nan")
        if valid is not None and not bool(valid.any()):
            empty, scores[:] = float("nan"), float("nan")
        whole = torch.tensor([empty, found, peak], dtype=torch.double)
        row = torch.cat([whole, scores.flatten(), own.single.to(scores)]).float()
        if not torch.allclose(self.local_rows.setdefault(case, row), row, equal_nan=True):
            raise ValueError(f"{case}: two volumes of this name have different scores; rename one")
        self.keep(case, rows=row)

    def reset(self) -> None:
        super().reset()
        self.local_rows = {}

    def compute(self) -> dict[str, Tensor]:
        """Return flat names to 0-dim tensors.

        `dice/<class>` is the mean over the counted volumes and `dice` the mean over classes, and so on for
        the other scores. `absent/<class>` is the number of volumes in which a class did not count, `volumes`
        the number of volumes with a valid voxel. If the truth of some, `empty` of them, is background alone:
        `false_positive_rate` is the fraction of these in which something is found, `true_positive_rate` the
        fraction of the others.
        """
        every = self.rows_by_case(self._width).items()
        cases = {case: row for case, row in every if not row[0].isnan()}
        shape = (len(cases), len(self.by_class), len(self._scored))
        table = torch.stack([self._by_class(row) for row in cases.values()]) if cases else torch.empty(shape)
        result = {}
        for name, values in zip(self.by_class, table.nanmean(0), strict=True):
            result[name] = values.nanmean()
            result |= {f"{name}/{c}": value for c, value in zip(self._scored, values, strict=True)}
        result |= self._single(list(cases.values()))
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
        """Return one row per volume, sorted: `case`, `dice`, `dice/<class>`, ... Every process must call it.

        If the truth of some is background alone, each row has `WHOLE` too.
        """
        with self.sync_context():
            cases = self.rows_by_case(self._width)
        extra = WHOLE if any(row[0] != 0 for row in cases.values()) else ()
        rows = []
        for case, values in cases.items():
            row: dict[str, str | float] = {"case": case}
            for name, scores in zip(self.by_class, self._by_class(values), strict=True):
                row[name] = float(scores.nanmean())
                row |= {f"{name}/{c}": float(score) for c, score in zip(self._scored, scores, strict=True)}
            row |= dict(zip(self.outside.single, values[self._part.stop :].tolist(), strict=True))
            rows.append(row | {name: float(value) for name, value in zip(extra, values, strict=False)})
        return rows

    def gate(self, keep: float) -> float:
        """Return the largest peak such that volumes that reach it have the fraction `keep` of all Dice.

        Volumes whose truth is background alone do not count, and misses have no weight. 0 if no lesion was
        found. Every process must call it.
        """
        with self.sync_context():
            cases = self.rows_by_case(self._width)
        dice = sorted(
            (float(row[2]), float(self._by_class(row)[0].nanmean())) for row in cases.values() if row[0] == 0
        )
        least, above = keep * math.fsum(d for _, d in dice), 0.0
        for peak, own in reversed(dice):
            above += own
            if above > 0 and above >= least - 1e-9:
                return peak
        return 0.0

    @property
    def _scored(self) -> tuple[str, ...]:
        return tuple(self.groups)

    @property
    def _part(self) -> slice:
        """Return the part of a volume's row with the scores by class."""
        return slice(len(WHOLE), len(WHOLE) + len(self.by_class) * len(self._scored))

    @property
    def _width(self) -> int:
        return len(WHOLE) + len(self.by_class) * len(self._scored) + len(self.outside.single)

    def _single(self, rows: list[Tensor]) -> dict[str, Tensor]:
        """Return means over volumes of outside metrics that give one value per volume."""
        values = [row[self._part.stop :] for row in rows] or [
            torch.full((len(self.outside.single),), torch.nan)
        ]
        return dict(zip(self.outside.single, torch.stack(values).nanmean(0), strict=True))

    def _by_class(self, row: Tensor) -> Tensor:
        """Return the scores [scores, classes] of a volume's row."""
        return row[self._part].reshape(len(self.by_class), len(self._scored))
