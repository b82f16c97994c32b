"""95 % intervals over subjects: of means over cases, and of scores that are ratios or ranks of all cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganatomy.metrics.differences.statistics import LEVEL, estimate
from ganatomy.metrics.ranking import auroc, average_precision
from ganatomy.metrics.registry import RESERVED, describe

Row = Mapping[str, Any]
Statistic = Callable[[np.ndarray], float]
"""From the places of cases, some perhaps several times, to a score."""

DRAWS = 1000
"""Draws of the bootstrap over subjects."""
WHOLE = ("empty", "peak", "false_positives", "score", "anomalous", "fold")
"""Columns that are no scores of a case."""
SAME = 1e-4
"""Difference of a score and the one that the rows give, relative to it, up to which they are the same."""


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval.

    Attributes:
        value: The score.
        low: Lower end.
        high: Upper end.
        cases: Number of cases that count.
        subjects: Number of their subjects.
        method: "t" (mean over cases; Student's t over subjects) or "bootstrap" (percentiles over subjects).
    """

    value: float
    low: float
    high: float
    cases: int
    subjects: int
    method: str


def intervals(scores: Mapping[str, float], rows: Sequence[Row]) -> dict[str, Interval]:
    """Return the interval of every score that the rows of the cases determine.

    A mean over cases has the interval of `statistics.estimate`; a mean over classes of such means, a ratio
    of counts, AUROC and AP have percentiles of a bootstrap that draws subjects with all of their cases.

    Args:
        scores: Score names, as in the columns of the rows, to values.
        rows: One row a case: `case`, `subject` (a number) and its scores.
    """
    columns = _columns(rows)
    subjects = np.array([row["subject"] for row in rows])
    if len(set(subjects.tolist())) < 2:
        return {}
    found = {}
    for name, statistic in statistics(columns).items():
        value = scores.get(name, np.nan)
        counted = statistic(np.arange(len(rows)))
        if not np.isfinite(value) or not np.isclose(value, counted, rtol=SAME, atol=SAME):
            continue  # what the rows give is not this score
        classes = _classes(columns, name)
        plain = len(classes) < 2 or all(np.isnan(part).sum() in (0, len(part)) for part in classes)
        one = _of_mean(columns[name], subjects) if name in columns and plain else None
        one = one or _of_draws(statistic, value, subjects, len(rows))
        if one is not None:
            found[name] = one
    return found


def with_drawn(
    found: Mapping[str, Interval],
    drawn: Mapping[str, tuple[float, float]],
    scores: Mapping[str, float],
    rows: Sequence[Row],
) -> dict[str, Interval]:
    """Return intervals with those that a table of scores drew itself, where the rows give none.

    Args:
        found: What `intervals` returned.
        drawn: Lower and upper end by score.
        scores: Values by score.
        rows: Rows of the cases.
    """
    cases, subjects = len(rows), len({row["subject"] for row in rows})
    more = {
        name: Interval(scores[name], *ends, cases, subjects, "bootstrap")
        for name, ends in drawn.items()
        if name not in found and np.isfinite(scores.get(name, np.nan))
    }
    return {**found, **more}


def pooled(rows: Sequence[Row]) -> dict[str, float]:
    """Return the scores that the rows of the cases determine, as the run's own tables compute them."""
    places = np.arange(len(rows))
    return {name: statistic(places) for name, statistic in statistics(_columns(rows)).items()}


def difference(name: str, ours: Sequence[Row], others: Sequence[Row]) -> Interval | None:
    """Return the mean of ours - others over shared cases with its interval; None with fewer than 2 subjects.

    Args:
        name: Score, a column of the rows.
        ours: Rows of the run.
        others: Rows of what it is compared with.
    """
    theirs = {row["case"]: row[name] for row in others if _number(row.get(name))}
    pairs = [row for row in ours if row["case"] in theirs and _number(row.get(name))]
    known = [(row["subject"], float(row[name]) - float(theirs[row["case"]])) for row in pairs]
    if not known:
        return None
    return _of_mean(np.array([gap for _, gap in known]), np.array([subject for subject, _ in known]))


def statistics(columns: Mapping[str, np.ndarray]) -> dict[str, Statistic]:
    """Return the scores that columns of cases determine, as functions of the cases that count."""
    found: dict[str, Statistic] = {}
    for name, values in columns.items():
        about = describe(name.partition("/")[0])
        if name not in (*RESERVED, *WHOLE) and not about.counts and not about.after:
            found[name] = _mean_over(_classes(columns, name) or [values])
    if "objects" in columns:
        objects, hits, false = (columns[key] for key in ("objects", "found", "false_positives"))
        found["sensitivity"] = lambda places: _ratio(hits[places].sum(), objects[places].sum())
        found["precision"] = lambda places: _ratio(hits[places].sum(), (hits + false)[places].sum())
        found["fp_healthy"] = lambda places: _mean(false[places][objects[places] == 0])
    if "empty" in columns:
        empty, seen = columns["empty"] > 0, columns["found"]
        found["false_positive_rate"] = lambda places: _mean(seen[places][empty[places]])
        found["true_positive_rate"] = lambda places: _mean(seen[places][~empty[places]])
    if "anomalous" in columns:
        score, ill = columns["score"], columns["anomalous"] > 0
        found["auroc"] = lambda places: auroc(score[places], ill[places])
        found["ap"] = lambda places: average_precision(score[places], ill[places])
    return found


def _columns(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    names = [name for name in (rows[0] if rows else {}) if name not in ("case", "subject")]
    return {
        name: np.array([row[name] if _number(row[name]) else np.nan for row in rows], float) for name in names
    }


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _classes(columns: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    return [values for key, values in columns.items() if key.startswith(f"{name}/")]


def _mean_over(parts: Sequence[np.ndarray]) -> Statistic:
    """Return the mean over classes of the means over cases."""
    return lambda places: _mean(np.array([_mean(part[places]) for part in parts]))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _of_mean(values: np.ndarray, subjects: np.ndarray) -> Interval | None:
    """Return the interval of a mean over the cases that have a value."""
    known = ~np.isnan(values)
    count = len(np.unique(subjects[known]))
    if count < 2:
        return None
    whose = np.unique(subjects[known], return_inverse=True)[1]
    one = estimate(values[known][None], whose.tolist())
    low, high = one.interval(LEVEL)
    return Interval(one.mean, low, high, int(known.sum()), count, "t")


def _of_draws(statistic: Statistic, value: float, subjects: np.ndarray, cases: int) -> Interval | None:
    """Return percentiles of the statistic over draws of subjects, each with all of its cases."""
    names, owner = np.unique(subjects, return_inverse=True)
    places = [np.flatnonzero(owner == number) for number in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = np.array(
        [
            statistic(np.concatenate([places[n] for n in rng.integers(0, len(names), len(names))]))
            for _ in range(DRAWS)
        ]
    )
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < DRAWS // 2:
        return None
    low, high = (float(end) for end in np.percentile(drawn, (100 * LEVEL / 2, 100 - 100 * LEVEL / 2)))
    return Interval(value, low, high, cases, len(names), "bootstrap")
