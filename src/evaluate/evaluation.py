"""One evaluation: its scores, rows, intervals and notes, and the files that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from math import isnan
from pathlib import Path
from string import Template
from typing import Any

from ganatomy.errors import UserError
from ganatomy.evaluate import table
from ganatomy.evaluate.intervals import Interval
from ganatomy.evaluate.scored import OURS
from ganatomy.files import write_whole
from ganatomy.pictures import figures, markup
from ganatomy.pictures.embedded import fit, image, width
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.outputs import refuse_no_folder
from ganatomy.runs.terminal import Terminal
from ganatomy.text.tables import csv_text

Row = dict[str, Any]
CASES, MEMBERSHIP = "cases.png", "membership.png"
"""Names of the picture of cases and of the histograms of the audit; all others are figures of doubt."""
BOUNDS = (
    "Intervals hold 95 % over subjects: Student's t for means over cases, percentiles of a bootstrap of "
    "subjects for others; – where the number of subjects is below 2 or the score is no function of the rows."
)


@dataclass
class Evaluation:
    """Scores of one run, or of the runs of a cross-validation, on some cases.

    Attributes:
        title: What was scored.
        facts: Facts about it: names of directories, counts, hashes.
        metrics: Scores by flat name.
        rows: Rows of the cases by source.
        intervals: Intervals by source and score.
        notes: Lines for the user.
        missing: Why scores are not there, by the beginning of their names.
        unit: Unit of distances.
        pictures: PNG files by their captions.
        parts: Further tables by title: heads and rows.
        write_more: Writes files of the task, such as boxes, into a folder.
    """

    title: str
    facts: list[str]
    metrics: dict[str, float]
    rows: Mapping[str, Sequence[Row]]
    intervals: dict[str, dict[str, Interval]]
    notes: list[str]
    missing: Mapping[str, str]
    unit: str
    pictures: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, tuple[list[str], list[list[str]]]] = field(default_factory=dict)
    write_more: Callable[[Path], None] = lambda folder: None

    @property
    def reasons(self) -> list[str]:
        """Return a line for each reason why scores are not there."""
        names: dict[str, list[str]] = {}
        for start, why in self.missing.items():
            names.setdefault(why, []).append(start.rstrip("/").removeprefix("test/"))
        return [f"– for {', '.join(group)}: {why}" for why, group in names.items()]


def check_output(output: Path) -> None:
    """Raise UserError if a folder holds files, or cannot be made or written to."""
    refuse_no_folder(output)
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"output={output}: already holds files; name another folder")


def write(output: Path, found: Evaluation) -> None:
    """Write metrics.json, scores.csv, intervals.csv, evaluation.html, and what the task and the audit add."""
    output.mkdir(parents=True, exist_ok=True)
    run = Run(output)
    run.write("metrics.json", dict(sorted(found.metrics.items())))
    if rows := found.rows.get(OURS):
        run.write_bytes("scores.csv", csv_text(list(rows[0]), rows).encode())
    if rows := table.rows_of(found.intervals):
        run.write_bytes("intervals.csv", csv_text(table.COLUMNS, rows).encode())
    if MEMBERSHIP in found.pictures:
        run.write_bytes(MEMBERSHIP, found.pictures[MEMBERSHIP])
    found.write_more(output)
    write_whole(output / "evaluation.html", page(found).encode())


def show(found: Evaluation) -> None:
    """Print the table of scores, and the notes."""
    console = Terminal()
    tables = {found.title: table.lines(found.metrics, found.intervals, found.unit), **found.parts}
    for title, part in tables.items():
        drawn = table.shown(title, *part)
        least = console.measure(drawn).minimum
        console.print(drawn, crop=False, width=max(console.width, least))
    for line in [*found.reasons, *found.notes]:
        console.print(line, soft_wrap=True)


def page(found: Evaluation) -> str:
    """Return the page of an evaluation, which loads nothing; no name of a case or a subject is on it."""
    heads, rows = table.lines(found.metrics, found.intervals, found.unit)
    lines = [[line] for line in [*found.notes, *found.reasons]]
    names = found.pictures.keys() - {CASES, MEMBERSHIP}
    curves = {name.removesuffix(".png").replace("_", " "): found.pictures[name] for name in sorted(names)}
    cases = found.pictures.get(CASES)
    body = [
        markup.section("Notes", markup.grid([], lines) if lines else ""),
        markup.section("Scores", markup.grid(heads, rows) + f"<p>{escape(BOUNDS)}</p>"),
        *(markup.section(title, markup.grid(*part)) for title, part in found.parts.items()),
        markup.section("Trained on, or not", _side_by_side({"membership": found.pictures.get(MEMBERSHIP)})),
        markup.section("Cases", image(fit(cases), "cases, best to worst", "sample") if cases else ""),
        markup.section("Scores of each case", _side_by_side({"scores of each case": _cases(found)})),
        markup.section("Calibration and doubt", _side_by_side(curves)),
    ]
    template = files("ganatomy.pictures").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(found.title),
        status="done",
        facts="".join(f"<span>{escape(fact)}</span>" for fact in found.facts),
        body="\n".join(part for part in body if part),
    )


def _side_by_side(pictures: Mapping[str, bytes | None]) -> str:
    drawn = [image(fit(png), name, shown=width(png) // 2) for name, png in pictures.items() if png]
    return f'<div class="figures">{"".join(drawn)}</div>' if drawn else ""


def _cases(found: Evaluation) -> bytes | None:
    rows = found.rows.get(OURS, [])
    names = [
        name.split("/")[1] for name, v in found.metrics.items() if name.startswith("test/") and not isnan(v)
    ]
    first = next((name for name in dict.fromkeys(names) if rows and f"{name}/" in " ".join(rows[0])), "")
    return figures.cases(rows, first) if first else None
