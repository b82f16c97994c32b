"""CSV tables: cells that a spreadsheet would run are escaped on writing and restored on reading."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MARK = "'"
"""Apostrophe before an escaped cell: spreadsheets take the rest as text."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:inf|nan)", re.ASCII | re.I)
BLANK = ("Z", "C")
"""First letters of the Unicode categories of blanks, and of control and format characters."""


def escaped(cell: Any) -> str:
    """Return the text of a cell, with an apostrophe before it if a spreadsheet might run it as a formula.

    Such a cell begins, after blanks and invisible characters, with one of = + - @, plain or full-width, or it
    begins with a tab or a line break. Numbers stay as they are. `restored` is the inverse.

    Example:
        >>> from ganatomy.text.tables import escaped
        >>> escaped("=1+1"), escaped(-0.5), escaped("case-1")
        ("'=1+1", '-0.5', 'case-1')
    """
    text = "" if cell is None else str(cell)
    return MARK + text if _runs(text.lstrip(MARK)) else text


def restored(text: str) -> str:
    """Return the cell that `escaped` was given, as text.

    Example:
        >>> from ganatomy.text.tables import restored
        >>> restored("'=1+1"), restored("'quoted'")
        ('=1+1', "'quoted'")
    """
    return text[1:] if text.startswith(MARK) and _runs(text.lstrip(MARK)) else text


def _runs(text: str) -> bool:
    """Return True if a spreadsheet might take the text for a formula."""
    if not text or NUMBER.fullmatch(text):
        return False
    if text[0] in "\t\r\n":
        return True
    first = next((sign for sign in text if unicodedata.category(sign)[0] not in BLANK), "")
    return bool(first) and unicodedata.normalize("NFKC", first) in "=+-@"


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a CSV table with a header; dangerous cells are escaped.

    Args:
        columns: Names of the columns, in order.
        rows: Cells by column; a missing cell is empty.

    Raises:
        ValueError: If a row has a cell of no column.
    """
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(cells: Sequence[str]) -> None:  # a \r is not quoted by Python's writer before 3.13
        (quoting if any("\r" in cell for cell in cells) else plain).writerow(cells)

    write([escaped(name) for name in columns])
    for row in rows:
        if strange := row.keys() - set(columns):
            raise ValueError(f"no such column: {', '.join(map(str, strange))}")
        write([escaped(row.get(name)) for name in columns])
    return text.getvalue()


def csv_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV table as written by `csv_text`; line breaks inside quoted cells are kept.

    Raises:
        ValueError: The text is no table, or a row has other cells than the header.
    """
    try:
        lines = [cells for cells in csv.reader(io.StringIO(text, newline=""), strict=True) if cells]
    except csv.Error as error:
        raise ValueError(f"is no table ({error})") from error
    if not lines:
        return []
    columns = [restored(name) for name in lines[0]]
    if len(set(columns)) != len(columns):
        raise ValueError("has no header that names its columns")
    for place, cells in enumerate(lines[1:], 2):
        if len(cells) != len(columns):
            raise ValueError(f"has {len(cells)} cells in row {place} where its header names {len(columns)}")
    return [dict(zip(columns, map(restored, cells), strict=True)) for cells in lines[1:]]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as written by `csv_text`, without changing its line breaks."""
    with path.open(newline="", encoding="utf-8") as file:
        return csv_rows(file.read())
