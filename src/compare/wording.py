"""Cells of the table of a comparison, for terminal, page and CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ganatomy.compare.arms import Arm
from ganatomy.compare.verdicts import Outcome
from ganatomy.metrics.registry import describe
from ganatomy.text.tables import csv_text

CSV = (
    *("first", "other", "score", "better", "mean_first", "mean_other", "difference", "low", "high"),
    *("p", "p_corrected", "subjects", "cases", "missing_first", "missing_other", "verdict", "reason"),
)
"""Columns of compare.csv."""


def heading(one: Outcome, unit: str) -> str:
    """Return label, class, unit and direction of a score; `unit` is that of distances, mm or px."""
    base, _, row = one.score.partition("/")
    entry = describe(base)
    entry = replace(entry, unit=unit) if entry.unit == "mm" else entry
    return entry.heading + (f" {row}" if row else "")


def number(value: float, one: Outcome, sign: bool = False) -> str:
    """Return a value with one more decimal than its score is shown with, or a dash."""
    decimals = describe(one.score.split("/")[0]).decimals + (1 if sign else 0)
    if not math.isfinite(value):
        return "–"
    return f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"


def cells(one: Outcome, unit: str) -> list[str]:
    """Return heading, means, difference, interval, p, subjects and verdict."""
    low, high = (number(limit, one, sign=True) for limit in one.interval)
    p = one.p[1]
    return [
        heading(one, unit),
        *(number(mean, one) for mean in one.means),
        number(one.difference, one, sign=True),
        "–" if "–" in (low, high) else f"{low} to {high}",
        "–" if math.isnan(p) or low == "–" else "< 0.001" if p < 0.001 else f"{p:.3f}",
        str(one.estimate.subjects) if one.estimate else "–",
        one.verdict,
    ]


def remarks(found: Sequence[Outcome]) -> list[str]:
    """Return lines on the scores of a pair: of each run, why one has no interval, and cases left out."""
    lines: dict[str, list[str]] = {}
    for one in found:
        if one.reason:
            lines.setdefault(one.reason, []).append(one.score)
        elif any(one.missing):
            first, other = (
                f"{arm.letter} has no value for {count}"
                for arm, count in zip(arms_of(one), one.missing, strict=True)
            )
            text = f"of {one.cases} cases alone, as {first} and {other}; those may be the hard ones"
            lines.setdefault(text, []).append(one.score)
    texts = [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in lines.items()]
    return [*filter(None, [spread(found)]), *texts]


def arms_of(one: Outcome) -> tuple[Arm, Arm]:
    """Return both arms of a comparison."""
    return one.pair.first, one.pair.other


def spread(own: Sequence[Outcome]) -> str:
    """Return the first score of each run, where an arm has several; empty otherwise."""
    first = next((one for one in own if one.estimate is not None), None)
    if first is None or all(len(arm.runs) == 1 for arm in arms_of(first)):
        return ""
    name = f"test/{first.score}"
    texts = [
        f"{arm.letter} {', '.join(number(run.metrics.get(name, math.nan), first) for run in arm.runs)}"
        for arm in arms_of(first)
    ]
    return f"{first.score} of each run, on its whole test set: {'; '.join(texts)}"


def table_csv(found: Sequence[Outcome]) -> str:
    """Return compare.csv, a row for each score of each pair; numbers have all digits."""
    return csv_text(CSV, [_csv_row(one) for one in found])


def _csv_row(one: Outcome) -> dict[str, Any]:
    low, high = one.interval
    numbers = {
        "mean_first": one.means[0],
        "mean_other": one.means[1],
        "difference": one.difference,
        "low": low,
        "high": high,
        "p": one.p[0],
        "p_corrected": one.p[1],
    }
    return {
        "first": one.pair.first.letter,
        "other": one.pair.other.letter,
        "score": one.score,
        "better": ("", "higher", "lower")[one.sign],
        **{name: repr(float(value)) if math.isfinite(value) else "" for name, value in numbers.items()},
        "subjects": one.estimate.subjects if one.estimate else "",
        "cases": one.cases if one.estimate else "",
        "missing_first": one.missing[0] if one.estimate else "",
        "missing_other": one.missing[1] if one.estimate else "",
        "verdict": one.verdict,
        "reason": one.reason,
    }
