"""Deviations of training cases from those of other subjects, which say how wide limits have to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.quality.familiarity.case_summary import Summary
from ganatomy.data.quality.familiarity.features import KINDS, features, floor_of, reversal, signed
from ganatomy.data.quality.familiarity.mirror import Mirror

FOLDS = 20
"""Groups of subjects that are left out in turn; each subject alone where there are fewer."""
WARNED = 0.01
"""Share of left-out training cases that may get a warning."""
TRIMMED = 0.01
"""Share of training cases at each end that a feature's range leaves out, as they may be faults."""
ROOM = 1.25
"""Ranges are widened by this factor at least, times `widening`."""
CAP = 3.0
"""Ranges are widened by this factor at most, times `widening`: one odd case does not silence the test."""
SURE = 4.0
"""Ranges of spacing and size are widened by this factor at most: they are chosen, and have no tails."""
TAIL = 500
"""Number of cases whose largest deviation is extrapolated to, where there are fewer."""
SET_ASIDE, ODD = 0.01, 2.5
"""Share of training cases that are set aside as possible faults, if each deviates by this factor more than
the others do."""
FEWEST, ODD_SCORE = 40, 1.5
"""Cases of which one may be set aside; the factor for scores of mirrored images."""
MIRRORS: dict[str, Callable[[Summary], list[float]]] = {"inverted": signed, "reversed": reversal}


@dataclass(frozen=True)
class Trial:
    """Training cases, each compared with those of other subjects.

    Attributes:
        names: Names of the features.
        table: Values of the features [N, K], NaN where a case has none.
        deviations: Kind to the deviation [N] of each case; 1 is the end of the others' range.
        measured: Kind of mirrored images to the measurements [N, D], where all cases have as many.
        scores: The same kinds to the score [N] of each case by the discriminant of the others.
        subjects: Number of subjects.
    """

    names: list[str]
    table: np.ndarray
    deviations: dict[str, np.ndarray]
    measured: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    subjects: int

    @classmethod
    def of(
        cls, cases: Sequence[Summary], owners: Sequence[str], scale: float, without: Collection[str]
    ) -> Trial:
        """Compare cases.

        Args:
            cases: Summaries.
            owners: Subject of each.
            scale: See `scale_of`.
            without: Kinds of features to leave out.
        """
        names, table = _table(cases, scale, without)
        folds = _folds(owners)
        rows = {kind: _measured(cases, measure) for kind, measure in MIRRORS.items()}
        measured = {kind: row for kind, row in rows.items() if row is not None}
        scores = {kind: _scores_left_out(row, folds) for kind, row in measured.items()}
        return cls(names, table, _left_out(table, names, folds), measured, scores, len(set(owners)))

    @property
    def all_deviations(self) -> dict[str, np.ndarray]:
        """Return the deviations, and how far scores are from those of an average case."""
        return {**self.deviations, **{kind: 1 - row for kind, row in self.scores.items()}}

    def odd(self) -> np.ndarray:
        """Return a mask [N] of the few cases that are unlike all others and may be faults."""
        count = len(self.table)
        few = max(int(SET_ASIDE * count), int(count >= FEWEST))
        odd = np.zeros(count, bool)
        for kind, row in self.all_deviations.items():
            usual = max(1.0, float(np.sort(row)[-1 - few]))
            odd |= row > usual * (ODD if kind in self.deviations else ODD_SCORE)
        return odd if odd.sum() <= few else np.zeros(count, bool)

    def limits(self) -> dict[str, float]:
        """Return limits of equal rank, one for each kind, the smallest that `WARNED` of all cases exceed."""
        found = self.all_deviations
        ordered = {kind: np.sort(row)[::-1] for kind, row in found.items()}
        limits = {kind: float(row[0]) for kind, row in ordered.items()}
        for rank in range(1, int(WARNED * len(self.table)) + 1):
            tried = {kind: float(row[rank]) for kind, row in ordered.items()}
            if np.any([row > tried[kind] for kind, row in found.items()], axis=0).mean() > WARNED:
                break
            limits = tried
        return limits


def widening(cases: int) -> float:
    """Return the factor from the largest deviation of so many cases to that of `TAIL`.

    Tails are taken as exponential, with a part for the uncertainty of a range from few cases.
    """
    return max(1.0, math.log(TAIL) / math.log(cases + 1)) * (1 + 4 / cases)


def factor(kind: str, limit: float, subjects: int) -> float:
    """Return the factor by which the ranges of a kind are widened.

    Args:
        kind: One of `KINDS`.
        limit: The factor that left-out cases need.
        subjects: Number of subjects.
    """
    factor = min(CAP, max(ROOM, limit)) * widening(subjects)
    return min(SURE, factor) if kind in ("spacing", "size") else factor


def ranges(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median, lower and upper end of each column [N, K], without the outermost `TRIMMED`."""
    ends = []
    for column in np.sort(table, axis=0).T:
        there = column[np.isfinite(column)]
        cut = int(TRIMMED * len(there))
        ends.append(
            (np.median(there), there[cut], there[len(there) - 1 - cut]) if len(there) else [math.nan] * 3
        )
    middle, low, high = np.array(ends).T
    return middle, low, high


def _table(cases: Sequence[Summary], scale: float, without: Collection[str]) -> tuple[list[str], np.ndarray]:
    """Return the names of all features and their values [N, K], NaN where a case has none."""
    rows = [features(case, scale) for case in cases]
    every = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in every if name.split("/")[0] not in without]
    return names, np.array([[row.get(name, math.nan) for name in names] for row in rows])


def _folds(owners: Sequence[str]) -> np.ndarray:
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    return np.array([numbers[owner] % FOLDS for owner in owners])


def _measured(cases: Sequence[Summary], measure: Callable[[Summary], list[float]]) -> np.ndarray | None:
    """Return measurements [N, D], NaN for cases that have none; None if cases differ in their number."""
    rows = [measure(case) for case in cases]
    sizes = {len(row) for row in rows} - {0}
    if len(sizes) != 1:
        return None
    (size,) = sizes
    return np.array([row or [math.nan] * size for row in rows])


def _left_out(table: np.ndarray, names: Sequence[str], folds: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each kind the deviation [N] of every case from the cases of other subjects.

    1 is the end of their range, after the floor; the worst feature counts.
    """
    floor = np.array([floor_of(name) for name in names])
    found = np.zeros(table.shape)
    for fold in np.unique(folds):
        own = folds == fold
        if own.all():
            break
        middle, low, high = ranges(table[~own])
        off = table[own] - middle
        half = np.maximum(np.where(off > 0, high - middle, middle - low), floor / 4)
        found[own] = np.nan_to_num((np.abs(off) - floor) / half)
    kinds = np.array([name.split("/")[0] for name in names])
    return {kind: found[:, kinds == kind].max(1) for kind in KINDS if (kinds == kind).any()}


def _scores_left_out(rows: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the scores [N] of every case by the discriminant of the others; 0 where there is none."""
    sound = np.isfinite(rows).all(1)
    scores = np.where(sound, 0.0, 1.0)  # a constant image counts as familiar
    for fold in np.unique(folds):
        own = (folds == fold) & sound
        mirror = Mirror.of(rows[(folds != fold) & sound])
        if mirror is not None and own.any():
            scores[own] = mirror.score(rows[own])
    return scores
