"""Merge the categories of several annotation files into one list of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganatomy.data.records import Fault
from ganatomy.errors import UserError


def joined(files: Mapping[str, Mapping[Any, str]]) -> tuple[tuple[str, ...], list[Fault]]:
    """Return the names of all categories, and notes about files that differ from the first one.

    Classes are ordered by number if numbers and names match one to one over all files; else by the first
    file's numbers, followed by the additional names of the other files.

    `files` maps the file's name to its categories (number -> name). Raises UserError for names that differ in
    capitals or spaces only.
    """
    pairs = {(number, name) for names in files.values() for number, name in names.items()}
    ordered = [name for names in files.values() for _, name in _by_number(names)]
    if len(pairs) == len({number for number, _ in pairs}) == len({name for _, name in pairs}):
        ordered = [name for _, name in _by_number(dict(pairs))]
    found = tuple(dict.fromkeys(ordered))
    alike: dict[str, str] = {}
    for name in found:
        other = alike.setdefault("".join(str(name).lower().split()), name)
        if other != name:
            raise UserError(
                f"data.annotations: categories {other} and {name} differ in spelling; use one everywhere"
            )
    return found, _notes(files)


def _by_number(names: Mapping[Any, str]) -> list[tuple[Any, str]]:
    try:
        return sorted(names.items())
    except TypeError:  # numbers and words mixed
        return sorted(names.items(), key=lambda item: str(item[0]))


def _notes(files: Mapping[str, Mapping[Any, str]]) -> list[Fault]:
    """Return a note for each file that lacks categories of the first file, or has additional ones."""
    (first, known), *others = files.items()
    notes = []
    for file, names in others:
        more = sorted(set(names.values()) - set(known.values()))
        less = sorted(set(known.values()) - set(names.values()))
        differences = [f"has {', '.join(more)}"] if more else []
        differences += [f"lacks {', '.join(less)}"] if less else []
        if differences:
            words = f"{file}: {' and '.join(differences)}, unlike {first}"
            notes.append(Fault("", "categories", words, grave=False))
    return notes
