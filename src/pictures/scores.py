"""Table of scores from flat names: `test/dice/gm`, `baseline/mean_label_map/dice`, `floor/swd`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, nan

from ganatomy.metrics.registry import describe, known

OURS = "this run"
MAX_SOURCES = 4
"""With more sources than these a table has one line per score."""
HUGE = 1e6
"""From this value on a score is written with three digits and a power of ten."""


@dataclass(frozen=True)
class Table:
    """Scores of a run and of its baselines.

    Attributes:
        scores: Names of the scores.
        rows: Classes, then `mean`.
        sources: This run, then its baselines.
        values: (score, row, source) to value.
        unit: Unit of distances, mm or px.
    """

    scores: tuple[str, ...]
    rows: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[tuple[str, str, str], float]
    unit: str = "mm"

    def text(self, score: str, row: str, source: str) -> str:
        """Return a number as it is printed, or a dash."""
        value = self.values.get((score, row, source))
        if value is None or isnan(value):
            return "–"
        return f"{value:.{describe(score).decimals}f}" if abs(value) < HUGE else f"{value:.3g}"

    def heading(self, score: str) -> str:
        """Return the heading of a score, with the unit of this table for distances."""
        entry = describe(score)
        return (replace(entry, unit=self.unit) if entry.unit == "mm" else entry).heading

    @property
    def crowded(self) -> bool:
        """True if there are too many sources for a table with one row per class."""
        return len(self.sources) > MAX_SOURCES

    def lines(self) -> list[tuple[str, str, str]]:
        """Return (score, row, heading) of a table with one line per score: the mean, then the other rows.

        A single class is left out if it has a mean, and so are the levels of a pyramid.
        """
        alone = len(self.rows) <= 2
        return [
            (score, row, self.heading(score) + ("" if row == "mean" else f" {row}"))
            for score in self.scores
            for row in ("mean", *self.rows[:-1])
            if (score, row, OURS) in self.values and not row.isdigit()
            if row == "mean" or not alone or (score, "mean", OURS) not in self.values
        ]

    def best(self, score: str, row: str) -> str | None:
        """Return the best source of a row, or None with fewer than two or a score without a direction.

        `floor`, the score of real images, is left out.
        """
        found = {s: self.values.get((score, row, s), float("nan")) for s in self.sources if s != "floor"}
        found = {source: value for source, value in found.items() if not isnan(value)}
        if len(found) < 2 or not describe(score).sign:
            return None
        return max(found, key=lambda source: describe(score).sign * found[source])


def table(metrics: Mapping[str, float | None], split: str = "test", unit: str = "mm") -> Table:
    """Sort flat scores by score, class and source.

    Sources are this run and, by their own names, `baseline/<name>/...`, `twin/...` and `floor/...`. Scores of
    other splits and counts are left out.

    Args:
        metrics: Flat name to value; None is NaN.
        split: Split of this run's scores.
        unit: Unit of distances, mm or px.
    """
    values: dict[tuple[str, str, str], float] = {}
    for name, value in metrics.items():
        source, parts = _source(name.split("/"), split)
        if source is None or not parts or describe(parts[0]).counts:
            continue
        values[parts[0], "/".join(parts[1:]) or "mean", source] = nan if value is None else float(value)
    ours = {score for score, _, source in values if source == OURS}
    scores = [s for s in known() if s in ours] + sorted(ours - known().keys())
    rows = dict.fromkeys(row for score, row, _ in values if score in ours and row != "mean")
    sources = dict.fromkeys(source for score, _, source in values if score in ours and source != OURS)
    return Table(tuple(scores), (*rows, "mean"), (OURS, *sources), values, unit)


def _source(parts: list[str], split: str) -> tuple[str | None, list[str]]:
    if parts[0] == split:
        return OURS, parts[1:]
    if parts[0] == "baseline" and len(parts) > 2:
        return parts[1].replace("_", " "), parts[2:]
    if parts[0] in ("twin", "floor"):
        return parts[0], parts[1:]
    return None, []
