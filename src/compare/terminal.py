"""Tables of a comparison for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganatomy.compare.arms import Arm
from ganatomy.compare.cases import Group
from ganatomy.compare.differing import measured_otherwise
from ganatomy.compare.page import game_lines
from ganatomy.compare.pairing import Pair
from ganatomy.compare.verdicts import RULES, Outcome
from ganatomy.compare.wording import cells, remarks
from ganatomy.text.names import printable

KEYS = 15
"""Differing keys that are shown; the page has all of them."""
LEFT_OUT = {80: (1, 2, 5, 6), 100: (6,)}
"""Columns, by their place, that a terminal of fewer characters leaves out: means, p, subjects; subjects."""
NARROWEST = 10
"""Characters that a score's name and a verdict have at least."""


def show_arms(arms: Sequence[Arm], console: Console) -> None:
    """Print which runs each arm has, and those whose game failed."""
    for arm in arms:
        console.print(f"{arm.letter}: {arm.words}", soft_wrap=True)
    for line in (*game_lines(arms), *measured_otherwise(arms)):
        console.print(line, soft_wrap=True)


def show_pair(
    pair: Pair,
    outcomes: Sequence[Outcome],
    groups: Mapping[str, Sequence[Group]],
    unit: str,
    console: Console,
) -> None:
    """Print the scores of a pair, what was left out, and its cases.

    Args:
        pair: Two arms.
        outcomes: Comparisons of all pairs.
        groups: Name of each pair to its cases.
        unit: Unit of distances.
        console: Terminal.
    """
    own = [one for one in outcomes if one.pair is pair]
    left_out = next((columns for width, columns in LEFT_OUT.items() if console.width < width), ())
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1) if left_out else (0, 1), pad_edge=False)
    heads = [
        "score",
        pair.first.letter,
        pair.other.letter,
        pair.name,
        "95 % interval",
        *("p", "subjects", "verdict"),
    ]
    kept = [place for place in range(len(heads)) if place not in left_out]
    for place in kept:
        if heads[place] in ("score", "verdict"):
            table.add_column(heads[place], overflow="fold", min_width=NARROWEST)
        else:
            table.add_column(heads[place], justify="right", no_wrap=True)
    for one in own:
        row = cells(one, unit)
        style = "bold green" if row[-1].endswith(("better", "higher")) else ""
        texts = [Text(printable(text)) for text in row[:-1]] + [Text(row[-1], style=style)]
        table.add_row(*(texts[place] for place in kept))
    console.print(table)
    console.print(f"{pair.counts}.", soft_wrap=True)
    if pair.unchecked:
        console.print(
            f"{pair.unchecked} of them cannot be checked to be the same: a run of an earlier version",
            soft_wrap=True,
        )
    for line in remarks(own):
        console.print(f"{line}.", soft_wrap=True)
    for group in groups[pair.name]:
        console.print(f"{group.title}:")
        for line in group.lines:
            console.print(f"  {line}")


def show_keys(arms: Sequence[Arm], differing: Sequence[tuple[str, list[str]]], console: Console) -> None:
    """Print the keys that differ, and the rule of the verdicts."""
    if differing:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for head in ("key", *(arm.letter for arm in arms)):
            table.add_column(head, overflow="fold")
        for key, values in differing[:KEYS]:
            table.add_row(printable(key), *(printable(value) for value in values))
        console.print(table)
        if len(differing) > KEYS:
            console.print(f"... and {len(differing) - KEYS} more keys, on the page")
    else:
        console.print("The configurations differ in nothing that changes numbers.")
    console.print(Text(RULES, style="dim"))
