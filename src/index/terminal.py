"""Table of runs for the terminal; columns that do not fit its width are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganatomy.index.rows import Row
from ganatomy.index.wording import date_text, middle_out, steps_text, took
from ganatomy.text.names import printable
from ganatomy.text.sizes import bytes_text

NARROWEST = 24
"""Characters that the name of a run has at least."""
COLOURS = {"done": "green", "running": "yellow", "preempted": "yellow"}
"""Colour of a state; all others are red."""


def _score(row: Row) -> str:
    return f"{row.score.text()} {row.score.heading}" if row.score else ""


def _baseline(row: Row) -> str:
    base = row.score.baseline if row.score else None
    return f"{row.score.text(base[1])} {middle_out(base[0], 16)}" if row.score and base else ""


COLUMNS: tuple[tuple[str, Callable[[Row], str], bool], ...] = (
    ("status", lambda row: middle_out(row.label, 28), False),
    ("task", lambda row: middle_out(row.task, 14), False),
    ("data", lambda row: middle_out(row.data, 20), False),
    ("model", lambda row: middle_out(row.model, 32), False),
    ("score", _score, True),
    ("baseline", _baseline, True),
    ("twin", lambda row: row.score.text(row.twin) if row.score and row.twin is not None else "", True),
    ("behind", lambda row: middle_out(row.behind, 20), False),
    ("took", lambda row: "" if row.seconds is None else took(row.seconds), True),
    ("size", lambda row: bytes_text(row.size), True),
    ("begun", lambda row: date_text(row.begun), True),
    ("seed", lambda row: "" if row.seed is None else str(row.seed), True),
    ("steps", steps_text, True),
)
"""Name, text of a row, and True for numbers."""
LEFT_OUT = ("model", "seed", "size", "steps", "twin", "begun", "took", "data", "behind", "baseline", "task")
"""Columns that are left out where there is no room for them, the first ones first."""


def show(rows: Sequence[Row], console: Console) -> None:
    """Print a line for each run, then what is wrong with those that are damaged."""
    texts = {name: [text(row) for row in rows] for name, text, _ in COLUMNS}
    needed = {
        name: max(cell_len(name), *(cell_len(printable(cell)) for cell in cells)) + 3
        for name, cells in texts.items()
        if any(cells)
    }
    names = [printable(row.name) for row in rows]
    longest = min(max(map(cell_len, names)), 60)
    widths = {name: width for name, width in needed.items() if name not in LEFT_OUT}
    for name in reversed(LEFT_OUT):
        more = needed.get(name, console.width)
        if sum(widths.values()) + more + max(longest, NARROWEST) + 4 <= console.width:
            widths[name] = more
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    room = max(console.width - sum(widths.values()) - 4, NARROWEST)
    table.add_column("run", no_wrap=True, overflow="ellipsis", min_width=min(longest, NARROWEST))
    for name, _, number in COLUMNS:
        if name in widths:
            table.add_column(name, justify="right" if number else "left", no_wrap=True, overflow="ellipsis")
    for place, row in enumerate(rows):
        cells = [
            Text(printable(texts[name][place]), style=_style(row, name))
            for name, *_ in COLUMNS
            if name in widths
        ]
        table.add_row(_tail(names[place], room), *cells)
    console.print(table)
    for row in rows:
        if row.state == "failed" and row.why:
            console.print(f"{row.name}: {row.why}", soft_wrap=True)
        for line in dict.fromkeys((*row.faults, *([row.why] if row.state in ("dead", "foreign") else []))):
            console.print(f"{row.name}: {line}", soft_wrap=True)


def _style(row: Row, column: str) -> str:
    if column == "behind":
        return "yellow"
    return COLOURS.get(row.state, "red") if column == "status" else ""


def _tail(name: str, room: int) -> str:
    """Return a name without its beginning where it is too long: the end tells runs apart."""
    return name if cell_len(name) <= room else f"…{name[len(name) - room + 1 :]}"
