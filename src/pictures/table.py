"""Table of scores for the terminal: a run and its baselines."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from ganatomy.pictures.scores import OURS, Table, table


def score_table(
    metrics: Mapping[str, float | None], title: str = "Test scores", widest: int = 2, unit: str = "mm"
) -> RichTable:
    """Return a table of flat scores: one row per class, one column per score and source, the best bold.

    With one class or none, with many sources, or if these scores have no classes, it has one line per score
    instead, for all scores.

    Args:
        metrics: Flat name to value; None is NaN.
        title: Title of the table.
        widest: Number of scores that have columns.
        unit: Unit of distances, mm or px.
    """
    scores = table(metrics, unit=unit)
    drawn = RichTable(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown = scores.scores[:widest]
    classes = any(score in shown and row != "mean" for score, row, _ in scores.values)
    if len(scores.rows) <= 2 or scores.crowded or not classes:  # a class alone is the mean
        _line_a_score(drawn, scores)
        return drawn
    drawn.add_column("class")
    for score in shown:
        drawn.add_column(Text(scores.heading(score)), justify="right")
        for source in scores.sources[1:]:
            drawn.add_column(Text(source, style="dim"), justify="right")
    for row in scores.rows:
        if row == "mean":
            drawn.add_section()
        cells = [
            _cell(scores.text(score, row, source), source, scores.best(score, row))
            for score in shown
            for source in scores.sources
        ]
        drawn.add_row(row, *cells)
    return drawn


def _line_a_score(drawn: RichTable, scores: Table) -> None:
    drawn.add_column("score", no_wrap=True)
    for source in scores.sources:
        numbers = [scores.text(score, row, source) for score, row, _ in scores.lines()]
        drawn.add_column(source, justify="right", min_width=max(map(len, numbers), default=0))  # never cut
    for score, row, heading in scores.lines():
        best = scores.best(score, row)
        cells = [_cell(scores.text(score, row, s), s, best) for s in scores.sources]
        drawn.add_row(heading, *cells)


def _cell(text: str, source: str, best: str | None) -> Text:
    return Text(text, style="bold" if source == best else "dim" if source != OURS else "")
