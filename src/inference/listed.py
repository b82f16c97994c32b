"""Cases of what a user names: rows of a table, channels of one case, names after files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ganatomy.data.io.readers import suffix
from ganatomy.data.io.text_tables import refuse_hidden, rows_of, word
from ganatomy.errors import UserError

IMAGE, CASE = "image", "case"
"""Columns: paths of a case's files, separated by `;`, and its name."""
CHANNEL = re.compile(r"(.+)_(\d{4})")
"""Stem of a file with one channel of a case, numbered from 0000 (nnU-Net's layout)."""


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
            raise UserError(f"{key}: row {number} names no {IMAGE}; fill the cell or remove the row")
        found[(word(row.get(CASE)), paths)] = None
    names = [name for name, _ in found]
    if twice := next((name for n, name in enumerate(names) if name and name in names[:n]), ""):
        raise UserError(f"{key}: the case {twice} has two rows with different files; give each its own name")
    return [list(paths) for _, paths in found], names


def _path(table: Path, text: str) -> Path:
    return Path(os.path.normpath(table.parent.absolute() / Path(text.strip()).expanduser()))


def channel_groups(found: Sequence[str], channels: int) -> list[list[str]]:
    """Return the files of each case: one, or CASE_0000, CASE_0001, ... where each holds one channel."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in found:
        if not (match := CHANNEL.fullmatch(without_suffix(name))):
            return [[one] for one in found]
        groups.setdefault((match[1], suffix(name)), []).append(name)
    numbered = all(len(files) == channels for files in groups.values())
    return list(groups.values()) if channels > 1 and numbered else [[one] for one in found]


def without_suffix(name: str, numbered: bool = False) -> str:
    """Return a path without its extension, and without the number of its channel if it has one."""
    plain = name[: len(name) - len(suffix(name))]
    match = CHANNEL.fullmatch(plain) if numbered else None
    return match[1] if match else plain


def unique(paths: Sequence[str]) -> list[str]:
    """Return a name for each path without its extension; equal ones are numbered from the second on."""
    flat = [path.replace("/", "_") for path in paths]
    taken, names = Counter(flat), []
    for place, name in enumerate(flat):
        count = flat[: place + 1].count(name) if taken[name] > 1 else 1
        while count > 1 and taken[f"{name}-{count}"]:
            count += 1
        names.append(name if count == 1 else f"{name}-{count}")
        taken[names[-1]] += 1
    return names
