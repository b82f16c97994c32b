"""Limits of what is familiar: fitted to summaries of training cases, calibrated on left-out subjects."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ganatomy.data.quality.familiarity.calibration import MIRRORS, Trial, factor, ranges, widening
from ganatomy.data.quality.familiarity.case_summary import Summary
from ganatomy.data.quality.familiarity.features import floor_of, scale_of
from ganatomy.data.quality.familiarity.judge import VERSION, reasons_of
from ganatomy.data.quality.familiarity.mirror import Mirror
from ganatomy.data.quality.familiarity.mistakes import MISTAKES, swapped

WORTH = 0.5
"""Share of mirrored training cases that must be seen, else the test of mirrored images is left out."""
FEW, CLEAR = 20, 0.25
"""With fewer subjects than `FEW`, every left-out case must score more than `CLEAR` as well."""
TOLD, TRIED = 0.9, 200
"""A mistake that is seen on less than this share of so many training cases is one that cannot be told."""
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
        >>> import numpy as np
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
    scale = scale_of(cases)
    trial = Trial.of(cases, owners, scale, without)
    odd = trial.odd()
    if odd.any():
        cases = [case for case, out in zip(cases, odd, strict=True) if not out]
        owners = [owner for owner, out in zip(owners, odd, strict=True) if not out]
        trial = Trial.of(cases, owners, scale, without)
    limits = trial.limits()
    factors = {kind: factor(kind, limits[kind], trial.subjects) for kind in trial.deviations}
    mirrors = {kind: _mirror(trial, kind, limits[kind]) for kind in trial.measured}
    warned = [row > factors[kind] for kind, row in trial.deviations.items()]
    warned += [row < plain["limit"] for kind, row in trial.scores.items() if (plain := mirrors[kind])]
    kept: dict[str, Any] = {
        "version": VERSION,
        "test": TEST,
        "cases": len(cases),
        "subjects": trial.subjects,
        "set_aside": int(odd.sum()),
        "dims": sorted({len(s["shape"]) for s in cases}),
        "channels": sorted({int(s["channels"][0]) for s in cases}),
        "scale": scale,
        "values": [min(min(s["lowest"]) for s in cases), max(max(s["highest"]) for s in cases)],
        "least_maximum": min(max(s["highest"]) for s in cases),
        "constant": float(np.mean(["skewness" not in s for s in cases])),
        "features": _bounds(trial, factors),
        **{kind: mirrors.get(kind) for kind in MIRRORS},
        "left_out_warned": _short(float(np.any(warned, axis=0).mean())) if trial.subjects > 1 else None,
    }
    return kept | _told(kept, cases)


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _bounds(trial: Trial, factors: dict[str, float]) -> dict[str, list[float]]:
    """Return for each feature its lowest and highest value in training, and the two limits."""
    names, table = trial.names, trial.table
    floor = np.array([floor_of(name) for name in names])
    wide = np.array([factors[name.split("/")[0]] for name in names])
    middle, low, high = ranges(table)
    bottom = middle - floor - wide * np.maximum(middle - low, floor / 4)
    top = middle + floor + wide * np.maximum(high - middle, floor / 4)
    columns = (np.nanmin(table, 0), np.nanmax(table, 0), bottom, top)
    return {name: [_short(n) for n in row] for name, *row in zip(names, *columns, strict=True)}


def _mirror(trial: Trial, kind: str, limit: float) -> dict[str, Any] | None:
    """Return the discriminant with its limits; None if too few mirrored cases would be seen.

    The limit is below 0, and tails of the score are taken as those of a normal distribution.
    """
    rows, scores = trial.measured[kind], trial.scores[kind]
    mirror = Mirror.of(rows[np.isfinite(rows).all(1)])
    wide = math.sqrt(widening(trial.subjects))
    bottom = min(0.0, 1 - max(0.0, limit) * wide)
    seen = float((-scores < bottom).mean())
    if mirror is None or seen < WORTH or (trial.subjects < FEW and scores.min() < CLEAR):
        return None
    lowest = -1 - 2 * wide * float(np.abs(scores - 1).max())
    return Mirror(mirror.weights, _short(bottom), _short(lowest)).to_plain()


def _told(kept: dict[str, Any], cases: Sequence[Summary]) -> dict[str, Any]:
    """Return the share of training cases on which each mistake is seen, and which cannot be told."""
    some = cases[:: -(-len(cases) // TRIED)]
    seen = {
        name: _short(float(np.mean([bool(reasons_of(kept, mistake(case))) for case in some])))
        for name, mistake in MISTAKES.items()
        if max(kept["channels"]) > 1 or mistake is not swapped
    }
    return {"seen": seen, "cannot_be_told": [name for name, share in seen.items() if share < TOLD]}
