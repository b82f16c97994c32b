"""From flat score names to rows and columns: `test/dice/gm`, `baseline/mean_label_map/dice`, `floor/swd`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, nan

from ganatomy.metrics.registry import describe, known

OURS = "this run"
MOST = 4
"""Sources beside each other for every score that a page has room for."""
HUGE = 1e6
"""From here on digits after the point say nothing; three digits and a power of ten do."""


@dataclass(frozen=True)
class Table:
    """Scores of a run beside its rivals': `values[score, row, source]`; rows are the classes, then `mean`.

    unit: of distances, mm or px.
    """

    scores: tuple[str, ...]
    rows: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[tuple[str, str, str], float]

    def text(self, score: str, row: str, source: str) -> str:
        """The number as it is printed, or a dash."""
        value = self.values.get((score, row, source))
        if value is None or isnan(value):
            return "–"
        return f"{value:.{describe(score).decimals}f}" if abs(value) < HUGE else f"{value:.3g}"

    unit: str = "mm"

    def heading(self, score: str) -> str:
        """The score's, with distances in the unit that they have."""
        entry = describe(score)
        return (replace(entry, unit=self.unit) if entry.unit == "mm" else entry).heading

    @property
    def crowded(self) -> bool:
        """Whether there are so many sources that a line a score reads better than a row a class."""
        return len(self.sources) > MOST

    def lines(self) -> list[tuple[str, str, str]]:
        """(score, row, heading) of such a table: means, and what else stands in the rows, save classes where
        there is one and the levels of a pyramid, which have a mean."""
        rows = ("mean",) if len(self.rows) <= 2 else ("mean", *self.rows[:-1])
        return [
            (score, row, self.heading(score) + ("" if row == "mean" else f" {row}"))
            for score in self.scores
            for row in rows
            if (score, row, OURS) in self.values and not row.isdigit()
        ]

    def best(self, score: str, row: str) -> str | None:
        """The source that stands best in a row, if several stand there and one can be better.

        Not the floor, which is no rival.
        """
        found = {s: self.values.get((score, row, s), float("nan")) for s in self.sources if s != "floor"}
        found = {source: value for source, value in found.items() if not isnan(value)}
        if len(found) < 2 or not describe(score).sign:
            return None
        return max(found, key=lambda source: describe(score).sign * found[source])


def table(metrics: Mapping[str, float | None], split: str = "test", unit: str = "mm") -> Table:
    """Sort flat scores by score, class and source; validation scores and counts are left out. None is NaN.

    Sources are this run and, named as they are, `baseline/<name>/...`, `twin/...` and `floor/...`.
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
