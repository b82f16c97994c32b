"""Content of a data set's files as stored: extensions, types, channels and colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ganatomy.data.io.readers import KNOWN, VOLUMES, suffix
from ganatomy.data.io.readers.names import ITK
from ganatomy.data.problems import files_of
from ganatomy.data.records import Record, Source

FLAT = tuple(kind for kind in KNOWN if kind not in (*VOLUMES, *ITK, ".dcm"))
"""Extensions of files that hold no spacing in mm."""


class Raw(NamedTuple):
    """An image as its files hold it.

    Attributes:
        dtype: Data type.
        channels: Number of channels.
        colour: True if the channels are colours; None if the files do not say.
        greyed: True if colours were converted to grey.
    """

    dtype: str
    channels: int
    colour: bool | None
    greyed: bool

    @property
    def words(self) -> str:
        """The channels as text."""
        if self.channels == 1 or self.colour is None:
            return str(self.channels)
        return f"{self.channels} {'colours' if self.colour else 'frames or contrasts'}"


def raw_of(stored: np.ndarray, made: np.ndarray, colour: bool | None = None) -> Raw:
    """Describe an image as stored; grey that is stored in three channels does not count as colour.

    Args:
        stored: Image [C, *spatial] as stored.
        made: Image [C, *spatial] made of it.
        colour: True if the channels are colours; None if the files do not say.
    """
    greyed = len(stored) == 3 and len(made) == 1 and not np.may_share_memory(stored, made)
    return Raw(str(stored.dtype), len(stored), colour, greyed)


def units_of(source: Source, records: Iterable[Record]) -> str:
    """Return the unit of distances: px for pictures, else mm, unless the source has `units`."""
    if hasattr(source, "units"):
        return str(source.units)
    endings = {ending for record in records for ending in endings_of(source, record)}
    return "px" if endings and endings <= set(FLAT) else "mm"


def endings_of(source: Source, record: Record) -> list[str]:
    """Return the extensions of the image's files; empty if the source does not read files."""
    endings = [suffix(name) for name in files_of(record, "image")] if hasattr(source, "paths") else []
    return [ending if ending in KNOWN else "" for ending in endings] if record.private else endings


def read_in(source: Source, records: Sequence[Record], axes: Counter[str]) -> dict[str, str]:
    """Return name and text of facts about files, channels, colours and the axes of volumes.

    Args:
        source: Source of the data set.
        records: Records of all cases.
        axes: Directions of the axes of volumes, and how many volumes have each.
    """
    raws: dict[str, Raw] = getattr(source, "raw", {})
    files = Counter(ending or "no extension" for record in records for ending in endings_of(source, record))
    channels = Counter(raw.words for raw in raws.values())
    greyed = sum(raw.greyed for raw in raws.values())
    texts = {
        "files": _listed(files),
        "channels": _listed(channels),
        "axes point to": _listed(axes),
    }
    if {raw.channels for raw in raws.values()} - {source.channels}:
        texts["channels"] += f"; used as {source.channels}"
    if greyed:
        texts["channels"] += f", colours as luminance ({greyed})"
    return {head: words for head, words in texts.items() if words}


def types_of(source: Source) -> Counter[str]:
    """Count the data types as stored; empty if the source does not keep them."""
    return Counter(raw.dtype for raw in getattr(source, "raw", {}).values())


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in counts.most_common())
