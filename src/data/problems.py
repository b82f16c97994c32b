"""What is said of things that are wrong, and how it travels with the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ganatomy.data.records import Fault, Record


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


def grouped(faults: Iterable[Fault]) -> list[list[Fault]]:
    """The faults of one kind that differ in files and numbers alone, together; the same words once."""
    groups: dict[tuple[bool, str, str], dict[str, Fault]] = {}
    for fault in faults:
        about, colon, words = fault.words.partition(": ")
        same = re.sub(r"\S*[./]\S*|\S+-[0-9a-f]{8}\b", "", words if colon else about)
        same = re.sub(r"\d+", "0", same)
        groups.setdefault((fault.grave, fault.kind, same), {}).setdefault(fault.words, fault)
    return [list(group.values()) for group in groups.values()]


def told_once(faults: Iterable[Fault]) -> list[str]:
    """A line for each group of faults: the words of its first one, and how many more there are."""
    return [
        first.words + (f" ... and {len(more)} more (check.html)" if more else "")
        for first, *more in grouped(faults)
    ]


def called(record: Record) -> str:
    """How a message names a record: by the first file of its image, else by its case."""
    return next(iter(files_of(record)), record.case)


def files_of(record: Record, role: str = "image") -> list[str]:
    """Files of `image`, `target` or `label` below the source's root; empty where the record has none."""
    named = record.content.get(role) or []
    return [named] if isinstance(named, str) else [str(name) for name in named]
