"""Images and targets of file-based data sets that have no partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganatomy.data.problems import called, few, files_of
from ganatomy.data.records import Fault, Record

MANY = 0.2
"""From this share of cases without a partner on, the fault says how to train without pairs."""


def with_sides(records: Sequence[Record]) -> list[Record]:
    """Return the records of a data set whose sides need not match; one without a target says so."""
    return [record if record.side or files_of(record, "target") else _image(record) for record in records]


def _image(record: Record) -> Record:
    content = {role: files for role, files in record.content.items() if role != "target"}
    return replace(record, content=content, side="image")


def is_there(record: Record, role: str, folder: Path) -> bool:
    """Return True if a record names files of a role, and one of them exists.

    Args:
        record: the record.
        role: image or target.
        folder: the folder that its paths are relative to.
    """
    return any((folder / file).exists() for file in files_of(record, role))


def without_partner(records: Sequence[Record], folder: Path) -> list[Fault]:
    """Return a fault that names the key for data without pairs, if many cases have one side alone.

    Args:
        records: the records of a data set of pairs.
        folder: the folder that their paths are relative to.
    """
    paired = [record for record in records if "target" in record.content]
    lone = [r for r in paired if is_there(r, "target", folder) != is_there(r, "image", folder)]
    if len(lone) < max(2, MANY * len(paired)):
        return []
    names = few([called(record) for record in lone])
    words = f"{len(lone)} of {len(paired)} cases have an image or a target, but not both: {names}"
    mend = (
        "if images and targets need not match, set data.unpaired=true and a model that learns without pairs"
    )
    return [Fault("", "no partner", f"data.target: {words}; {mend}")]
