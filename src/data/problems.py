"""Faults of records: attaching them, grouping them, and naming files in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ganatomy.data.records import Fault, Record
from ganatomy.text.names import printable


def blamed(record: Record, fault: Fault) -> Record:
    """Return the record with one more fault."""
    return replace(record, problems=(*record.problems, fault))


def noted(records: Sequence[Record], faults: Iterable[Fault]) -> list[Record]:
    """Return the records, the first of them with the faults of the whole data set."""
    done = list(records)
    for fault in faults if done else ():
        done[0] = blamed(done[0], fault)
    return done


def sound(record: Record) -> bool:
    """Return True if the source found no grave fault of this record."""
    return not any(fault.grave and fault.case == record.case for fault in record.problems)


def few(names: Sequence[str], count: int = 3, between: str = ", ") -> str:
    """Return the first `count` names and the number of the others, as text.

    Args:
        names: all the names.
        count: number of names to show.
        between: text between two names.
    """
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return between.join(names[:count]) + more


def grouped(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Group faults of one kind that differ in file names and numbers only; drop identical lines."""
    groups: dict[tuple[bool, str, str], dict[str, Fault]] = {}
    for fault in faults:
        about, colon, words = fault.words.partition(": ")
        same = re.sub(r"\S*[./]\S*|\S+-[0-9a-f]{8,32}\b", "", words if colon else about)
        same = re.sub(r"\d+", "0", same)
        groups.setdefault((fault.grave, fault.kind, same), {}).setdefault(fault.words, fault)
    return [list(group.values()) for group in groups.values()]


def told_once(faults: Iterable[Fault], listed: str = "`ganatomy check`") -> list[str]:
    """Return a line for each group of faults: its first one, and the number of the others.

    Args:
        faults: faults of any kinds.
        listed: where all of them are listed.
    """
    return [
        printable(first.words) + (f" ... and {len(more)} more (see {listed})" if more else "")
        for first, *more in grouped(faults)
    ]


def called(record: Record) -> str:
    """Return the name of a record for messages: the first file of its side, or else its case."""
    return record.case if record.private else next(iter(own_files(record)), record.case)


def own_files(record: Record) -> list[str]:
    """Return the files of a record's image; those of the target, if it is of the target side alone."""
    return files_of(record, "target" if record.side == "target" else "image")


def file_of(record: Record, file: str) -> str:
    """Return the name of one of a record's files for messages; without it if the record is private."""
    return f"a file of {record.case}" if record.private else file


def files_of(record: Record, role: str = "image") -> list[str]:
    """Return the files of a role (image, target, label, mask) below the source's root; may be empty."""
    named = record.content.get(role) or []
    return [named] if isinstance(named, str) else [str(name) for name in named]
