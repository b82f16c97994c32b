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


def listed(table: Path) -> tuple[list[list[Path | None]], list[str]]:
    """Return the files of each row of a table, and the cases' names, empty where the table has none.

    A place between two `;` without a path is a channel that the case lacks, None.

    Paths lie below the table's folder unless they are absolute. Rows that repeat another one count once.

    Args:
        table: CSV or JSON file with a column `image`, and perhaps `case`.

    Raises:
        UserError: The table cannot be read, lacks the column or a cell of it, or names two cases alike.
    """
    key = f"input={table}"
    rows = rows_of(table, key)
    if not rows:
        raise UserError(f"{key}: holds no rows; name a file in each")
    if IMAGE not in rows[0][1]:
        raise UserError(f"{key}: has no column {IMAGE}; there are {', '.join(rows[0][1])}")
    found: dict[tuple[str, tuple[Path | None, ...]], None] = {}
    for number, row in rows:
        refuse_hidden({name: row.get(name) for name in (IMAGE, CASE)}, f"{table.name}, row {number}")
        parts = [part.strip() for part in word(row.get(IMAGE)).split(";")]
        paths = tuple(_path(table, part) if part else None for part in parts)
        if not any(paths):
            raise UserError(f"{key}: row {number} names no {IMAGE}; fill the cell or remove the row")
        found[(word(row.get(CASE)), paths)] = None
    names = [name for name, _ in found]
    if twice := next((name for n, name in enumerate(names) if name and name in names[:n]), ""):
        raise UserError(f"{key}: the case {twice} has two rows with different files; give each its own name")
    return [list(paths) for _, paths in found], names


def _path(table: Path, text: str) -> Path:
    return Path(os.path.normpath(table.parent.absolute() / Path(text.strip()).expanduser()))


def channel_groups(found: Sequence[str], channels: int, missing: bool = False) -> list[list[str | None]]:
    """Return the files of each case: one, or CASE_0000, CASE_0001, ... where each holds one channel.

    Args:
        found: Names of all files.
        channels: Channels of an image.
        missing: Cases may lack channels, whose places are None.
    """
    groups: dict[tuple[str, str], dict[int, str]] = {}
    alone: list[list[str | None]] = [[one] for one in found]
    for name in found:
        if not (match := CHANNEL.fullmatch(without_suffix(name))):
            return alone
        groups.setdefault((match[1], suffix(name)), {})[int(match[2])] = name
    whole = all(len(files) == channels or (missing and max(files) < channels) for files in groups.values())
    if channels < 2 or not whole:
        return alone
    numbers = [range(channels) if max(files) < channels else sorted(files) for files in groups.values()]
    return [[files.get(n) for n in each] for files, each in zip(groups.values(), numbers, strict=True)]


def in_channels(
    found: Sequence[Sequence[str | None]], numbered: bool, channels: int, missing: bool
) -> tuple[list[list[str]], list[list[bool]]]:
    """Return the files of each case, and which of its channels are there, empty if all are.

    Args:
        found: Files of each case, None for a channel that is missing.
        numbered: Each case has one file so far, and files CASE_0000, CASE_0001, ... may be channels of one.
        channels: Channels of an image.
        missing: Cases may lack channels.

    Raises:
        UserError: A case lacks channels and may not.
    """
    names = [name for each in found for name in each if name]
    cases = channel_groups(names, channels, missing) if numbered else found
    files = [[name for name in each if name] for each in cases]
    there = [[bool(name) for name in each] if len(each) == channels else [] for each in cases]
    there = [[] if all(some) else some for some in there]
    short = next((n for n, some in enumerate(there) if some), None)
    if short is not None and not missing:
        raise UserError(
            f"input: {files[short][0]} and its others lack a channel, and the run takes all {channels}: it "
            "was trained without data.missing=zero; add the file, or leave the case out"
        )
    return files, there


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
