"""Channels of a case in files of their own, some of which may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganatomy.data.io.text_tables import word
from ganatomy.data.records import Fault, Record
from ganatomy.data.transforms.missing import Missing, lacks


def listed_columns(column: str | Sequence[str] | None) -> list[str]:
    """Return the columns that a setting of a table names: one, or one a channel; none if it is null."""
    if column is None:
        return []
    return [column] if isinstance(column, str) else [str(name) for name in column]


def names_in(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """Return the files that cells name: of one cell several, as a list or separated by `;`.

    A place without a file is an empty text.

    Args:
        row: Cells by column.
        columns: One column, or one for each channel.
    """
    if len(columns) > 1:
        return [word(row[column]).strip() for column in columns]
    value = row[columns[0]]
    found = value if isinstance(value, list) else word(value).split(";")
    return [word(name).strip() for name in found]


def lacking(records: Sequence[Record]) -> list[Fault]:
    """Return a note about cases that lack channels and are used."""
    some = [record for record in records if "present" in record.content]
    if not some:
        return []
    words = f"{len(some)} of {len(records)} cases lack channels, which are 0 to the network"
    return [Fault("", "missing channels", f"{words} (data.missing=zero)", grave=False)]


def presence(
    files: Sequence[str], names: Sequence[str], channels: int, missing: Missing
) -> tuple[dict[str, Any], str]:
    """Return what a record says of channels that its case lacks, and the fault if it may not lack any.

    Args:
        files: File of each channel, empty for one that has none.
        names: What the channels are called; their numbers from 1 if there are fewer names than channels.
        channels: Channels of the image.
        missing: The setting data.missing.

    Returns:
        (content of the record; words of the fault, empty if there is none).
    """
    there = [bool(file) for file in files]
    if len(there) != channels or all(there) or not any(there):
        return {}, ""
    names = names if len(names) == channels else [str(number) for number in range(1, channels + 1)]
    if missing == "zero":
        return {"present": there}, ""
    return {}, lacks([name for name, one in zip(names, there, strict=True) if not one], channels)
