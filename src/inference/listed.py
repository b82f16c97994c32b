"""A table of a user, CSV or JSON, as the files of its cases."""

from __future__ import annotations

import os
from pathlib import Path

from ganatomy.data.io.text_tables import refuse_hidden, rows_of, word
from ganatomy.errors import UserError

IMAGE, CASE = "image", "case"
"""Columns: paths of a case's files, separated by `;`, and its name."""


def listed(table: Path) -> tuple[list[list[Path]], list[str]]:
    """Return the files of each row of a table, and the cases' names, empty where the table has none.

    Paths lie below the table's folder unless they are absolute. Rows that repeat another one count once.

    Args:
        table: CSV or JSON file with a column `image`, and perhaps `case`.

    Raises:
        UserError: The table cannot be read, lacks the column or a cell of it, or names two cases alike.
    """
    key = f"input={table}"
    rows = rows_of(table, key)
    if not rows:
        raise UserError(f"{key}: holds no rows")
    if IMAGE not in rows[0][1]:
        raise UserError(f"{key}: has no column {IMAGE}; there are {', '.join(rows[0][1])}")
    found: dict[tuple[str, tuple[Path, ...]], None] = {}
    for number, row in rows:
        refuse_hidden({name: row.get(name) for name in (IMAGE, CASE)}, f"{table.name}, row {number}")
        paths = tuple(_path(table, part) for part in word(row.get(IMAGE)).split(";") if part.strip())
        if not paths:
            raise UserError(f"{key}: row {number} names no {IMAGE}")
        found[(word(row.get(CASE)), paths)] = None
    names = [name for name, _ in found]
    if twice := next((name for n, name in enumerate(names) if name and name in names[:n]), ""):
        raise UserError(f"{key}: the case {twice} has two rows with different files; give each its own name")
    return [list(paths) for _, paths in found], names


def _path(table: Path, text: str) -> Path:
    return Path(os.path.normpath(table.parent.absolute() / Path(text.strip()).expanduser()))
