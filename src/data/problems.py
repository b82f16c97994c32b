"""What is said of things that are wrong, and how it travels with the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.data.records import Record


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one case. A grave one stops training; another is told."""

    case: str
    kind: str
    words: str
    grave: bool = True

    def __str__(self) -> str:
        return self.words


def blamed(record: Record, fault: Fault) -> Record:
    """The record with one more thing that is wrong with it."""
    return replace(record, problems=(*record.problems, fault))


def noted(records: Sequence[Record], faults: Iterable[Fault]) -> list[Record]:
    """The records, the first of them carrying what is to be said of all."""
    done = list(records)
    for fault in faults if done else ():
        done[0] = blamed(done[0], fault)
    return done


def sound(record: Record) -> bool:
    """Whether nothing grave was found with it before it was read."""
    return not any(fault.grave and fault.case == record.case for fault in record.problems)


def few(names: Sequence[str], count: int = 3, between: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return between.join(names[:count]) + more


def told_once(faults: Iterable[Fault]) -> list[str]:
    """A line for each kind of fault: its first words, and how many more there are that differ in files and
    numbers alone."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for fault in faults:
        about, colon, words = fault.words.partition(": ")
        same = re.sub(r"\d+", "0", re.sub(r"\S*[./]\S*", "", words if colon else about))
        groups.setdefault((fault.kind, same), {})[fault.words] = None
    return [
        first + (f" ... and {len(more)} more (check.html)" if more else "")
        for first, *more in groups.values()
    ]


def image_files(record: Record) -> list[str]:
    """The image's files below the source's root; empty where it has none."""
    return files_of(record, "image")


def files_of(record: Record, role: str) -> list[str]:
    named = record.content.get(role) or []
    return [named] if isinstance(named, str) else [str(name) for name in named]
