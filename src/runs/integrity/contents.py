"""Content of a run's files: bytes to plain values, or one reason why they are none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import yaml

from ganatomy.text.tables import csv_rows

SHOWN = 3
"""Differences in a line; the others are counted."""


def parsed(name: str, content: bytes) -> Any:
    """Return what a file holds: a mapping (JSON, YAML), or its rows (CSV, as `rows_of` returns them).

    Raises:
        ValueError: The content is damaged; the text says how, and follows the file's name.
    """
    if not content.strip():
        raise ValueError("is empty")
    if b"\0" in content:
        raise ValueError("holds bytes of zero")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text in UTF-8 (byte {error.start})") from error
    if name.endswith(".csv"):
        return rows_of(text, numbers=name.endswith("metrics.csv"))
    try:
        value = yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ValueError(f"is no YAML{line}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (line {error.lineno})") from error
    except (ValueError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f"cannot be read ({' '.join(str(error).split())[:80]})") from error
    if not isinstance(value, dict):
        raise ValueError("holds no section of keys")
    return value


def rows_of(text: str, numbers: bool = False) -> list[dict[str, str]]:
    """Return the rows of a CSV file.

    Args:
        text: Its text.
        numbers: It is a history: `step` is a whole number in each row, every other cell a number or empty.

    Raises:
        ValueError: A row has other cells than the header, or a cell is no number.
    """
    rows = csv_rows(text)
    if not numbers:
        return rows
    for place, row in enumerate(rows, 2):
        if "step" not in row:
            raise ValueError("has no header that names its columns")
        if wrong := next((cell for cell in row.items() if not _is_number(*cell)), None):
            raise ValueError(f"has no number in row {place} under {wrong[0]}")
    return rows


def _is_number(name: str, cell: str) -> bool:
    if name == "step":
        return cell.isascii() and cell.isdigit()
    try:
        return cell == "" or float(cell) is not None
    except ValueError:
        return False


def differences(old: Any, new: Any) -> list[str]:
    """Return a line `key: old -> new` for each value that differs, by dotted key; one line for a table."""
    if isinstance(old, list) and isinstance(new, list):
        other = sum(mine != theirs for mine, theirs in zip_longest(old, new))
        return [f"{other} of {max(len(old), len(new))} rows"] if other else []
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = dict.fromkeys([*before, *after])
    return [
        f"{key}: {_short(before.get(key, '(none)'))} -> {_short(after.get(key, '(none)'))}"
        for key in keys
        if repr(before.get(key, ...)) != repr(after.get(key, ...))
    ]


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, node


def _short(value: Any, most: int = 60) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def damage(name: str, content: bytes, copy: bytes) -> str:
    """Return why content cannot be a person's edit of its sound copy; empty if it may be one.

    Args:
        name: Name of the file.
        content: What stands there.
        copy: What was written.
    """
    if why := reason(name, content):
        return why
    if copy.startswith(content):
        return "is cut"
    differ = [place for place in range(len(copy)) if content[place : place + 1] != copy[place : place + 1]]
    if len(content) != len(copy) or len(differ) != 1:
        return ""
    old, new = copy[differ[0]], content[differ[0]]
    typed = name.endswith(".yaml") and chr(old).isdigit() and chr(new).isdigit()
    if (old ^ new).bit_count() != 1 or typed:
        return ""
    changed = listed(differences(parsed(name, copy), parsed(name, content)))
    return "has a flipped bit" + (f" ({changed})" if changed else "")


def reason(name: str, content: bytes) -> str:
    """Return why a file's content is none; empty if it can be read."""
    try:
        parsed(name, content)
    except ValueError as error:
        return str(error)
    return ""


def listed(lines: Sequence[str]) -> str:
    """Return the first differences in a line, and how many more there are."""
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return ", ".join(lines[:SHOWN]) + more
