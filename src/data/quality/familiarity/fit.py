"""Limits of what is familiar: fitted to summaries of training cases, calibrated on left-out subjects."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from ganatomy.data.quality.familiarity.case_summary import Summary
from ganatomy.data.quality.familiarity.features import KINDS, features, floor_of, reversal, scale_of, signed
from ganatomy.data.quality.familiarity.judge import VERSION, judged
from ganatomy.data.quality.familiarity.mirror import Mirror
from ganatomy.data.quality.familiarity.mistakes import MISTAKES, swapped

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
WORTH = 0.5
"""Share of mirrored training cases that must be seen, else the test of mirrored images is left out."""
FEW, CLEAR = 20, 0.25
"""With fewer subjects than `FEW`, every left-out case must score more than `CLEAR` as well."""
TOLD, TRIED = 0.9, 200
"""A mistake that is seen on less than this share of so many training cases is one that cannot be told."""
MIRRORS: dict[str, Callable[[Summary], list[float]]] = {"inverted": signed, "reversed": reversal}
TEST = (
    "a warning if a measurement of the raw image leaves the range of the training cases, widened by what "
    "training cases need when their subject is left out, or if it looks like a mirrored training case"
)


def fitted(
    summaries: Sequence[Summary], subjects: Sequence[str], without: Collection[str] = ()
) -> dict[str, Any] | None:
    """Return what is familiar: plain values about all training cases together, without names or images.

    The test is one of raw images, not of a network's features: its reasons have words, and it is the same for
    every task.

    Args:
        summaries: Summary of each training case.
        subjects: Subject of each; cases of one are left out together.
        without: Kinds of features that are not judged, see `KINDS`.

    Returns:
        The limits; None without a case.

    Example:
        >>> from ganatomy.data.quality.familiarity.case_summary import summarise
        >>> rng = np.random.default_rng(0)
        >>> cases = [summarise(rng.random((1, 32, 32)), None, np.ones(2)) for _ in range(20)]
        >>> fitted(cases, [str(n) for n in range(20)])["cases"]
        20
    """
    sound = [n for n, summary in enumerate(summaries) if summary]
    cases, owners = [summaries[n] for n in sound], [subjects[n] for n in sound]
    if not cases:
        return None
    count, scale = len(set(owners)), scale_of(cases)
    names, table = _table(cases, scale, without)
    folds = _folds(owners)
    deviations = _left_out(table, names, folds)
    measured = {kind: _measured(cases, measure) for kind, measure in MIRRORS.items()}
    scores = {kind: _scores_left_out(rows, folds) for kind, rows in measured.items() if rows is not None}
    limits = _limits({**deviations, **{kind: 1 - row for kind, row in scores.items()}})
    factors = {kind: _factor(kind, limits[kind], count) for kind in deviations}
    mirrors = {kind: _mirror(rows, scores[kind], limits[kind], count) if rows is not None else None
               for kind, rows in measured.items()}  # fmt: skip
    warned = [row > factors[kind] for kind, row in deviations.items()]
    warned += [row < plain["limit"] for kind, row in scores.items() if (plain := mirrors[kind])]
    kept: dict[str, Any] = {
        "version": VERSION,
        "test": TEST,
        "cases": len(cases),
        "subjects": count,
        "dims": sorted({len(s["shape"]) for s in cases}),
        "channels": sorted({int(s["channels"][0]) for s in cases}),
        "scale": scale,
        "values": [min(min(s["lowest"]) for s in cases), max(max(s["highest"]) for s in cases)],
        "constant": float(np.mean(["skewness" not in s for s in cases])),
        "features": _bounds(names, table, factors),
        **mirrors,
        "left_out_warned": _short(float(np.any(warned, axis=0).mean())) if count > 1 else None,
    }
    return kept | _told(kept, cases)


def widening(cases: int) -> float:
    """Return the factor from the largest deviation of so many cases to that of `TAIL`.

    Tails are taken as exponential, with a part for the uncertainty of a range from few cases.
    """
    return max(1.0, math.log(TAIL) / math.log(cases + 1)) * (1 + 4 / cases)


def _factor(kind: str, limit: float, subjects: int) -> float:
    """Return by how much the ranges of a kind are widened; `limit` is what left-out cases need."""
    factor = min(CAP, max(ROOM, limit)) * widening(subjects)
    return min(SURE, factor) if kind in ("spacing", "size") else factor


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _table(cases: Sequence[Summary], scale: float, without: Collection[str]) -> tuple[list[str], np.ndarray]:
    """Return the names of all features and their values [N, K], NaN where a case has none."""
    rows = [features(case, scale) for case in cases]
    every = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in every if name.split("/")[0] not in without]
    return names, np.array([[row.get(name, math.nan) for name in names] for row in rows])


def _bounds(names: Sequence[str], table: np.ndarray, factors: dict[str, float]) -> dict[str, list[float]]:
    """Return for each feature its lowest and highest value in training, and the two limits."""
    floor = np.array([floor_of(name) for name in names])
    wide = np.array([factors[name.split("/")[0]] for name in names])
    middle, low, high = _ranges(table)
    bottom = middle - floor - wide * np.maximum(middle - low, floor / 4)
    top = middle + floor + wide * np.maximum(high - middle, floor / 4)
    columns = (np.nanmin(table, 0), np.nanmax(table, 0), bottom, top)
    return {name: [_short(n) for n in row] for name, *row in zip(names, *columns, strict=True)}


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


def _ranges(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        middle, low, high = _ranges(table[~own])
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


def _limits(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Return limits of equal rank, one for each kind, the smallest that `WARNED` of all cases exceed."""
    ordered = {kind: np.sort(row)[::-1] for kind, row in found.items()}
    count = len(next(iter(found.values())))
    limits = {kind: float(row[0]) for kind, row in ordered.items()}
    for rank in range(1, int(WARNED * count) + 1):
        tried = {kind: float(row[rank]) for kind, row in ordered.items()}
        if np.any([row > tried[kind] for kind, row in found.items()], axis=0).mean() > WARNED:
            break
        limits = tried
    return limits


def _mirror(rows: np.ndarray, scores: np.ndarray, limit: float, subjects: int) -> dict[str, Any] | None:
    """Return the discriminant with its limits; None if too few mirrored cases would be seen.

    The limit is below 0, and tails of the score are taken as those of a normal distribution.
    """
    mirror = Mirror.of(rows[np.isfinite(rows).all(1)])
    wide = math.sqrt(widening(subjects))
    bottom = min(0.0, 1 - max(0.0, limit) * wide)
    seen = float((-scores < bottom).mean())
    if mirror is None or seen < WORTH or (subjects < FEW and scores.min() < CLEAR):
        return None
    lowest = -1 - 2 * wide * float(np.abs(scores - 1).max())
    return Mirror(mirror.weights, _short(bottom), _short(lowest)).to_plain()


def _told(kept: dict[str, Any], cases: Sequence[Summary]) -> dict[str, Any]:
    """Return the share of training cases on which each mistake is seen, and which cannot be told."""
    some = cases[:: -(-len(cases) // TRIED)]
    seen = {
        name: _short(float(np.mean([bool(judged(kept, mistake(case))) for case in some])))
        for name, mistake in MISTAKES.items()
        if max(kept["channels"]) > 1 or mistake is not swapped
    }
    return {"seen": seen, "cannot_be_told": [name for name, share in seen.items() if share < TOLD]}
