"""Runs that the terminal shows: filtered by words, sorted by a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.section import Section
from ganatomy.errors import UserError
from ganatomy.index.rows import Row
from ganatomy.index.state import STATES

ALL = "all"
Words = Annotated[list[str], BeforeValidator(lambda given: _words(given))]
Top = Annotated[int, BeforeValidator(lambda given: 10**9 if given == ALL else given), Field(ge=1)]


class Filter(Section):
    """Words that a run must match, by column; several of one column are alternatives."""

    task: Words
    data: Words
    model: Words
    status: Words
    name: Words


class IndexConfig(Section):
    """Configuration of `index`: where it looks, and what it shows."""

    runs: str
    output: str | None
    filter: Filter
    sort: str
    top: Top
    thumbnails: Annotated[int, Field(ge=0)]
    debug: bool


COLUMNS: dict[str, Callable[[Row], Any]] = {
    "date": lambda row: -row.begun,
    "name": lambda row: row.name,
    "status": lambda row: list(STATES).index(row.state),
    "task": lambda row: row.task or None,
    "data": lambda row: row.data or None,
    "model": lambda row: row.model or None,
    "duration": lambda row: None if row.seconds is None else -row.seconds,
    "size": lambda row: -row.size,
    "seed": lambda row: row.seed,
    "steps": lambda row: None if row.steps is None else -row.steps,
    "score": lambda row: None if row.score is None else _goodness(row, row.score.name),
}
"""Column -> key by which the row that is looked for comes first: newest, longest, largest, best."""


def _words(given: Any) -> Any:
    several = given if isinstance(given, list) else [] if given is None else [given]
    return [
        str(word) if isinstance(word, int | float) and not isinstance(word, bool) else word
        for word in several
    ]


def _goodness(row: Row, name: str) -> Any:
    found = next((value for value in row.scores if value.name == name), None)
    return None if found is None else (found.name, -(found.sign or 1) * found.number)


def select(rows: Sequence[Row], wanted: Filter, sort: str) -> list[Row]:
    """Return the rows that match, sorted; those without a value of the column come last.

    Args:
        rows: All runs.
        wanted: Words to match. A plain word matches where it is a part of the text; with * or ? it must
            match the whole text. A status is matched as a whole, also by the name of a failed game.
        sort: Column or score; a minus before it turns the order.

    Raises:
        UserError: No run has such a value, or there is no such column.
    """
    found = list(rows)
    for column, words in (("task", wanted.task), ("data", wanted.data), ("model", wanted.model)):
        known = {getattr(row, column) for row in rows}
        found = _matching(found, column, words, lambda row, c=column: {getattr(row, c)}, known)  # type: ignore[misc]
    known = {*STATES, *(row.why for row in rows if row.state == "game")}
    found = _matching(found, "status", wanted.status, _states, known, whole=True)
    found = _matching(found, "name", wanted.name, lambda row: {row.name}, set())
    return _sorted(found, rows, sort)


def _states(row: Row) -> set[str]:
    return {row.state, *([row.why] if row.state == "game" else []), *(["damaged"] if row.faults else [])}


def _matching(
    rows: list[Row],
    column: str,
    words: Sequence[str],
    texts: Callable[[Row], Iterable[str]],
    known: set[str],
    whole: bool = False,
) -> list[Row]:
    for word in words:
        if known and not any(_fits(word, text, whole) for text in known):
            there = sorted(text for text in known if text)
            listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
            close = nearest(word, there) or f"; there are {listed or 'none'}"
            raise UserError(f"{column}: no run here has {word!r}{close}")
    if not words:
        return rows
    return [row for row in rows if any(_fits(word, text, whole) for word in words for text in texts(row))]


def _fits(word: str, text: str, whole: bool) -> bool:
    pattern, text = word.casefold(), text.casefold()
    return fnmatchcase(text, pattern) if whole or any(sign in word for sign in "*?") else pattern in text


def _sorted(found: list[Row], rows: Sequence[Row], sort: str) -> list[Row]:
    column, turned = sort.removeprefix("-"), sort.startswith("-")
    names = sorted({value.name for row in rows for value in row.scores})
    if column not in COLUMNS and column not in names:
        close = nearest(column, [*COLUMNS, *names])
        raise UserError(
            f"sort: no such column {column!r}{close or '; choose from ' + ', '.join([*COLUMNS, *names])}"
        )
    key: Callable[[Row], Any] = COLUMNS.get(column) or (lambda row: _goodness(row, column))
    known = sorted((row for row in found if key(row) is not None), key=key, reverse=turned)
    return known + [row for row in found if key(row) is None]
