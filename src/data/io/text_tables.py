"""Read tables: CSV with any usual separator, and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError, hidden
from ganatomy.tables import restored

GAPS = ("", "nan", "null", "<na>", "n/a", "na", "nat")
"""Spellings of an empty cell, in lower case, as written by pandas, R and spreadsheets."""


def rows_of(path: Path, what: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows of a table as (line of the file, cells by column), or (position, row) for a JSON list.

    The separator is the first of comma, tab and semicolon that occurs in the first line. Blank lines are
    skipped, and cells that were escaped against spreadsheets (`tables.escaped`) are restored. `what` is the
    beginning of messages.

    Raises UserError for an unreadable file, columns of equal name, and a row with more cells than columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        found = json.loads(text) if path.suffix.lower() == ".json" else None
    except UnicodeDecodeError as error:
        raise UserError(f"{what}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{what}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if found is None:
        return _cells(text, what)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UserError(f"{what}: is not a list of rows, [{{column: value, ...}}, ...]")
    return list(enumerate(found, 1))


def _cells(text: str, what: str) -> list[tuple[int, dict[str, Any]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    between = next((mark for mark in (",", "\t", ";") if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between)
    rows: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{what}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not rows:
        return []
    heads = [head.strip() for head in rows[0][1]]
    if twice := [head for head in heads if head and heads.count(head) > 1]:
        raise UserError(f"{what}: two columns are called {twice[0]}; rename one")
    for line, cells in rows[1:]:
        if any(cell.strip() for cell in cells[len(heads) :]):
            raise UserError(
                f"{what}, row {line}: has {len(cells)} cells for {len(heads)} columns; "
                'put quotes around a cell that holds the separator: "[[1,2,3,4]]"'
            )
    return [
        (line, dict(zip(heads, [*map(restored, cells), *[""] * (len(heads) - len(cells))], strict=False)))
        for line, cells in rows[1:]
    ]


def refuse_hidden(cells: Mapping[str, Any], place: str) -> None:
    """Raise UserError if a cell holds a line break or another hidden character; `place` is its row."""
    for key, cell in cells.items():
        if sign := hidden(str(cell).strip(" \t")):
            raise UserError(f"{place}: its {key} holds the hidden character {sign}; remove it")


def word(value: Any) -> str:
    """Return a cell's text in canonical form: empty for a gap (NaN, null, ...), 1 for JSON's 1.0."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if text.lower() in GAPS else text
