"""HTML fragments; all text is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ganatomy.pictures.scores import OURS, Table

COLUMNS = 12
"""Columns of numbers that fit on the page."""


def section(title: str, content: str) -> str:
    """Return a heading over its content, or nothing without content."""
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def facts(texts: Sequence[str]) -> str:
    """Return short remarks in a line."""
    return (
        f'<p class="facts">{"".join(f"<span>{escape(text)}</span>" for text in texts)}</p>' if texts else ""
    )


def folded(title: str, text: str) -> str:
    """Return text that unfolds under its title."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>\n"


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table: numbers under their heads, or, without heads, a list of words."""
    style = "" if heads else ' class="words"'
    top = f"<thead><tr>{_cells('th', heads)}</tr></thead>" if heads else ""
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return wide(f"<table{style}>{top}{lines}</table>")


def wide(table: str) -> str:
    """Return a table that scrolls where it is wider than the page, by keys too."""
    return f'<div class="wide" tabindex="0">{table}</div>'


def game(name: str, events: Sequence[Mapping[str, Any]]) -> str:
    """Return a banner with cause and advice of each event of a failed game, and one of the other events.

    Args:
        name: Name of the failed game, or `healthy`.
        events: All events, as in status.json.

    Returns:
        HTML; empty without events.
    """
    standing = [each for each in events if each["fatal"] and not each.get("healed")]
    others = [each for each in events if each not in standing]
    failed = _banner("failed", f"The game failed: {name}", standing) if name != "healthy" else ""
    return failed + (_banner("warned", "Warnings", others) if others else "")


def _banner(style: str, title: str, events: Sequence[Mapping[str, Any]]) -> str:
    items = ""
    for each in events:
        when = f"step {each['step']}{', no longer so at the end' if each.get('healed') else ''}"
        advice = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(each["advice"]))
        cause = f"<b>{escape(each['name'])}</b> ({when}): {escape(each['cause'])}."
        items += f"<li>{cause}<br>What to do: {advice}.</li>"
    return f'<div class="banner {style}"><b>{escape(title)}</b><ul>{items}</ul></div>'


def behind(lines: Sequence[str]) -> str:
    """Return a banner with what a run is not ahead of, or nothing."""
    items = "".join(f"<li>{escape(line)}.</li>" for line in lines)
    title = "Not ahead of a baseline"
    return f'<div class="banner warned"><b>{title}</b><ul>{items}</ul></div>' if lines else ""


def rollbacks(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of what was changed after games that failed, or nothing."""
    keys = ("try", "step", "event", "back_to", "key", "before", "after")
    texts = [[v if isinstance(v, str) else json.dumps(v) for v in map(row.get, keys)] for row in rows]
    return grid(["no.", "at step", "event", "back to step", *keys[4:]], texts) if rows else ""


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def scores(table: Table) -> str:
    """Return a table of scores, the best of each row and score in colour.

    One row per class, and for each score a column for this run and for each baseline. With many sources, or
    more columns than fit on the page, one line per score.
    """
    if not table.scores:
        return ""
    if table.crowded or len(table.scores) * len(table.sources) > COLUMNS:
        heads = "".join(f'<th class="{_style(source)}">{escape(source)}</th>' for source in table.sources)
        lines = "".join(
            f"<tr><td>{escape(heading)}</td>{_score_cells(table, score, row)}</tr>"
            for score, row, heading in table.lines()
        )
        return wide(f"<table><thead><tr><th></th>{heads}</tr></thead>{lines}</table>")
    several = len(table.sources) > 1
    span = f' colspan="{len(table.sources)}"' if several else ""
    heads = "".join(f'<th class="group"{span}>{escape(table.heading(score))}</th>' for score in table.scores)
    top = f"<tr><th></th>{heads}</tr>"
    if several:
        names = "".join(
            f'<th class="{_style(source)}">{escape(source)}</th>'
            for _ in table.scores
            for source in table.sources
        )
        top += f"<tr><th></th>{names}</tr>"
    body = "".join(_row(table, row) for row in table.rows)
    return wide(f"<table><thead>{top}</thead>{body}</table>")


def _row(table: Table, row: str) -> str:
    cells = "".join(_score_cells(table, score, row) for score in table.scores)
    return f'<tr class="{"mean" if row == "mean" else ""}"><td>{escape(row)}</td>{cells}</tr>'


def _score_cells(table: Table, score: str, row: str) -> str:
    """Return one cell per source."""
    best = table.best(score, row)
    styles = {source: _style(source) + (" best" if source == best else "") for source in table.sources}
    return "".join(
        f'<td class="{style}">{table.text(score, row, source)}</td>' for source, style in styles.items()
    )


def _style(source: str) -> str:
    return "group" if source == OURS else "baseline"
