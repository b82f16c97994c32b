"""The rule that says that a run is behind a baseline or its twin, in the score that it was chosen by.

A difference counts with its 95 % interval over subjects where the rows of the cases give the score and there
are `FEWEST` subjects or more: behind, if the whole interval is on the worse side; level, if it holds 0 and
the mean is not better. Without an interval the plain difference of one run decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ganatomy.metrics.differences.naming import distinct, named
from ganatomy.metrics.differences.statistics import estimate
from ganatomy.metrics.registry import Score, describe, known

Row = Mapping[str, Any]
RUN, TWIN = "this run", "twin"
"""Sources of rows that are no baselines."""
VARIANTS = ("ungated", "raw", "search")
"""Sources under `baseline/` that are no baselines: the run itself with other settings or on fewer cases."""
FEWEST = 5
"""Fewest subjects for an interval: one of fewer rests on the shape of the distribution alone."""
SAME = 1e-3
"""Difference, relative to the score, up to which the mean over the rows is the score."""


@dataclass(frozen=True)
class Behind:
    """A run, or its twin, that is not ahead of a baseline or of the twin.

    Attributes:
        who: `RUN` or `TWIN`.
        than: Name of the baseline, or `TWIN`.
        score: Part of its flat name, such as psnr or dice/gm.
        ours: Score of `who`.
        theirs: Score of `than`.
        low: Lower end of the 95 % interval of ours - theirs; None without one.
        high: Upper end.
        subjects: Number of subjects of the cases; 0 if it is not known.
        level: True if the interval holds 0: neither is shown to be better.
        more: Number of further baselines that `who` is behind.
        runs: Number of runs whose scores were averaged.
    """

    who: str
    than: str
    score: str
    ours: float
    theirs: float
    low: float | None = None
    high: float | None = None
    subjects: int = 0
    level: bool = False
    more: int = 0
    runs: int = 1

    @property
    def sign(self) -> int:
        """Return 1 if higher is better, -1 if lower is."""
        return _entry(self.score).sign

    @property
    def missing(self) -> float:
        """Return how much is missing, 0 or more, in the units of the score."""
        return max(0.0, self.sign * (self.theirs - self.ours))

    def to_plain(self) -> dict[str, Any]:
        """Return the attributes, for a file."""
        return asdict(self)

    def words(self, unit: str = "mm") -> str:
        """Return the line for the user.

        Args:
            unit: Unit of distances, mm or px.

        Example:
            >>> Behind("this run", "tv", "psnr", 31.35, 32.7).words()
            'behind total variation (tv): PSNR 31.35 of 32.70 dB (one run)'
        """
        entry = _entry(self.score)
        unit = f" {unit if entry.unit == 'mm' else entry.unit}" if entry.unit else ""
        label = " ".join([entry.label, *self.score.split("/")[1:]])
        ours, theirs = distinct(self.ours, self.theirs, entry.decimals)
        other = "its twin without a discriminator" if self.than == TWIN else named(self.than)
        if self.more:
            other += f" and {self.more} more baseline{'s' if self.more > 1 else ''}"
        subject = "the twin without a discriminator is " if self.who == TWIN else ""
        state = "level with" if self.level else "behind"
        between = "beside" if self.level else "of"
        return f"{subject}{state} {other}: {label} {ours} {between} {theirs}{unit} ({self._surety(entry)})"

    def _surety(self, entry: Score) -> str:
        """Return the difference with its interval, or why there is none."""
        if self.low is not None and self.high is not None:
            mean, low, high = (
                f"{value:+.{entry.decimals + 1}f}" for value in (self.ours - self.theirs, self.low, self.high)
            )
            return f"{mean} [{low} to {high}] over {self.subjects} subjects"
        runs = "one run" if self.runs == 1 else f"mean of {self.runs} runs"
        if 0 < self.subjects < FEWEST:
            return f"{runs}, {self.subjects} test subject{'s' if self.subjects > 1 else ''}"
        return runs


def standing(
    metrics: Mapping[str, float | None], score: str, rows: Mapping[str, Sequence[Row]] | None = None
) -> list[Behind]:
    """Return what a run, and its twin if there is one, are not ahead of; empty if both lead.

    Args:
        metrics: Flat scores: `test/...`, `baseline/<name>/...`, `twin/...`; None is NaN.
        score: Score that is compared, such as psnr. One without a better direction compares nothing.
        rows: By source (`RUN`, `TWIN`, names of baselines) a row for each case, with its `subject`.

    Example:
        >>> scores = {"test/psnr": 31.35, "baseline/tv/psnr": 32.7, "baseline/input/psnr": 29.0}
        >>> [one.than for one in standing(scores, "psnr")]
        ['tv']
    """
    rows = rows or {}
    sign, ours, twin = _entry(score).sign, _value(metrics, f"test/{score}"), _value(metrics, f"twin/{score}")
    if not sign:
        return []
    baselines = {
        parts[1]: _value(metrics, name)
        for name in metrics
        if (parts := name.split("/", 2))[0] == "baseline" and parts[2:] == [score]
        if parts[1] not in VARIANTS
    }
    found = _against(RUN, ours, baselines, score, rows)
    found += _against(RUN, ours, {TWIN: twin}, score, rows)
    return found + _against(TWIN, twin, baselines, score, rows)


def rated_by(metrics: Mapping[str, float | None], monitor: str) -> str:
    """Return the score in which a finished run is compared with its baselines.

    Args:
        metrics: Flat scores.
        monitor: Score that its checkpoint was chosen by, without the split; the first other score that the
            baselines have, where they do not have this one.

    Example:
        >>> rated_by({"test/auroc": 0.8, "baseline/chance/auroc": 0.5}, "reconstruction")
        'auroc'
    """
    parts = [name.split("/", 2) for name in metrics]
    shared = {one[2] for one in parts if one[0] == "baseline" and one[2:] and f"test/{one[2]}" in metrics}
    return next((name for name in (monitor, *known()) if name in shared), monitor)


def _against(
    who: str,
    ours: float,
    others: Mapping[str, float],
    score: str,
    rows: Mapping[str, Sequence[Row]],
) -> list[Behind]:
    """Return the best of the others that `who` is behind, else the best that it is level with; or nothing."""
    sign = _entry(score).sign
    there = {name: value for name, value in others.items() if math.isfinite(value) and math.isfinite(ours)}
    pairs = [one for name, value in there.items() if (one := _pair(who, name, score, ours, value, rows))]
    worse = sorted((one for one in pairs if not one.level), key=lambda one: -sign * one.theirs)
    if worse:
        return [Behind(**{**asdict(worse[0]), "more": len(worse) - 1})]
    return sorted(pairs, key=lambda one: -sign * one.theirs)[:1]


def _pair(
    who: str,
    than: str,
    score: str,
    ours: float,
    theirs: float,
    rows: Mapping[str, Sequence[Row]],
) -> Behind | None:
    """Compare two sources; None if `who` is ahead."""
    gap, sign = ours - theirs, _entry(score).sign
    if sign * gap > 0:
        return None
    interval, subjects = paired(score, rows.get(who, ()), rows.get(than, ()), gap)
    if interval is None:
        return Behind(who, than, score, ours, theirs, subjects=subjects, level=gap == 0)
    low, high = interval
    return Behind(who, than, score, ours, theirs, low, high, subjects, level=low <= 0 <= high)


def paired(
    score: str, ours: Sequence[Row], others: Sequence[Row], gap: float
) -> tuple[tuple[float, float] | None, int]:
    """Return the 95 % interval of the mean of ours - others over subjects, and the number of subjects.

    Args:
        score: Column of the rows.
        ours: Rows of one source.
        others: Rows of the other one.
        gap: Difference of the two scores, which the rows have to give; else there is no interval.
    """
    theirs = {row["case"]: float(row[score]) for row in others if _finite(row.get(score))}
    shared = [row for row in ours if row["case"] in theirs and _finite(row.get(score))]
    pairs = [(row["subject"], float(row[score]) - theirs[row["case"]]) for row in shared]
    subjects = len({subject for subject, _ in pairs} or {row.get("subject") for row in ours})
    if subjects < FEWEST or not pairs:
        return None, subjects
    owners = np.unique([str(subject) for subject, _ in pairs], return_inverse=True)[1]
    values = np.array([difference for _, difference in pairs])
    found = estimate(values[None], owners.tolist())
    if not math.isclose(found.mean, gap, rel_tol=SAME, abs_tol=SAME * max(1e-3, float(np.abs(values).max()))):
        return None, subjects  # the rows do not give this score
    return found.interval(), subjects


def _entry(score: str) -> Score:
    return describe(score.split("/")[0])


def _value(metrics: Mapping[str, float | None], name: str) -> float:
    value = metrics.get(name)
    return math.nan if value is None else float(value)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
