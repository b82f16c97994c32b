"""Categories of several files as one list of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.data.records import Fault
from src.errors import UserError


def joined(files: Mapping[str, Mapping[Any, str]]) -> tuple[tuple[str, ...], list[Fault]]:
    """Names of all categories, and notes where files have others than the first.

    files: number -> name, by the file's name. Where no number means two names and no name has two numbers,
    the order is that of the numbers; else that of the first file's numbers, with what others add after it.

    Raises UserError for names that differ in capitals or spaces alone.
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
            raise UserError(f"data.annotations: categories {other} and {name}: write one of them everywhere")
    return found, _differences(files)


def _by_number(names: Mapping[Any, str]) -> list[tuple[Any, str]]:
    try:
        return sorted(names.items())
    except TypeError:  # numbers and words mixed
        return sorted(names.items(), key=lambda item: str(item[0]))


def _differences(files: Mapping[str, Mapping[Any, str]]) -> list[Fault]:
    """A note for each file that lacks categories of the first one, or has more."""
    (first, known), *others = files.items()
    notes = []
    for file, names in others:
        more = sorted(set(names.values()) - set(known.values()))
        less = sorted(set(known.values()) - set(names.values()))
        told = [f"has {', '.join(more)}"] if more else []
        told += [f"lacks {', '.join(less)}"] if less else []
        if told:
            words = f"{file}: {' and '.join(told)} beside the categories of {first}"
            notes.append(Fault("", "categories", words, grave=False))
    return notes
