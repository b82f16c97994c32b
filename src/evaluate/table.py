"""Scores with their intervals, as rows for files, the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from ganatomy.evaluate.intervals import Interval
from ganatomy.evaluate.scored import OURS
from ganatomy.metrics.registry import describe
from ganatomy.pictures.scores import table

COLUMNS = ("source", "score", "value", "low", "high", "cases", "subjects", "method")
Intervals = Mapping[str, Mapping[str, Interval]]
"""Source, then score, to its interval."""


def lines(metrics: Mapping[str, float], found: Intervals, unit: str) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the rows of a table: a line for each score, with its interval and the baselines.

    Args:
        metrics: Flat scores.
        found: Intervals by source and score.
        unit: Unit of distances, mm or px.
    """
    scores = table(metrics, unit=unit)
    known = {source for (_, _, source), value in scores.values.items() if not isnan(value)}
    others = [source for source in scores.sources[1:] if source in known]
    heads = ["score", OURS, "95 % interval", *others]
    rows = []
    for score, row, heading in scores.lines():
        classes = [r for s, r, source in scores.values if s == score and source == OURS and r != "mean"]
        if row != "mean" and len(classes) == 1 and (score, "mean", OURS) in scores.values:
            continue  # the only class is the mean
        name = score if row == "mean" else f"{score}/{row}"
        values = [scores.text(score, row, source) for source in (OURS, *others)]
        rows.append([heading, values[0], ends(found.get(OURS, {}).get(name), score), *values[1:]])
    return heads, rows


def ends(interval: Interval | None, score: str) -> str:
    """Return both ends of an interval as text, or a dash."""
    if interval is None:
        return "–"
    places = describe(score).decimals
    return f"{interval.low:.{places}f} to {interval.high:.{places}f}"


def shown(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> RichTable:
    """Return the table for the terminal."""
    drawn = RichTable(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, head in enumerate(heads):
        widest = max(map(len, [*head.split(), *(row[number] for row in rows)]), default=0)
        style = "dim" if number > 2 else ""
        drawn.add_column(
            Text(head, style=style),
            justify="right" if number else "left",
            min_width=widest,
            no_wrap=number == 0,
            style=style,
        )
    for row in rows:
        drawn.add_row(*row)
    return drawn


def rows_of(found: Intervals) -> list[dict[str, Any]]:
    """Return the rows of intervals.csv."""
    return [
        dict(
            zip(
                COLUMNS,
                (source, name, one.value, one.low, one.high, one.cases, one.subjects, one.method),
                strict=True,
            )
        )
        for source, scores in found.items()
        for name, one in scores.items()
    ]


def of_source(metrics: Mapping[str, float], source: str) -> dict[str, float]:
    """Return the scores of a source by their names in the rows: `dice/gm` of `baseline/otsu/dice/gm`."""
    start = {OURS: "test/", "twin": "twin/"}.get(source, f"baseline/{source}/")
    return {name[len(start) :]: value for name, value in metrics.items() if name.startswith(start)}
