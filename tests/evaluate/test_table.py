"""The table of an evaluation on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from ganatomy.evaluate.table import shown


def test_words_of_a_heading_stay_whole_where_all_values_are_dashes() -> None:
    heads = ["score", "this run", "95 % interval", "mean label", "otsu", "twin"]
    rows = [
        ["Brier, foreground in question ↓", "0.456", *"––––"],
        ["Dice ↑", "0.404", "–", "0.533", "0.720", "0.4"],
    ]
    console = Console(width=80, file=io.StringIO())
    console.print(shown("a run on its own data", heads, rows))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "interval" in lines[3].split() and "…" not in "".join(lines)
