"""What files say of themselves before anything is made of them, told of a whole data set."""

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
"""Endings of files that know no millimetre."""


class Raw(NamedTuple):
    """An image as its files hold it: type, channels, whether these are colours (None: the files do not say),
    and whether colours were made grey."""

    dtype: str
    channels: int
    colour: bool | None
    greyed: bool

    @property
    def words(self) -> str:
        if self.channels == 1 or self.colour is None:
            return str(self.channels)
        return f"{self.channels} {'colours' if self.colour else 'frames or contrasts'}"


def raw_of(stored: np.ndarray, made: np.ndarray, colour: bool | None = None) -> Raw:
    """Of an image [C,*spatial] as stored, and as it is served; grey that is stored three times stays grey."""
    greyed = len(stored) == 3 and len(made) == 1 and not np.may_share_memory(stored, made)
    return Raw(str(stored.dtype), len(stored), colour, greyed)


def units_of(source: Source, records: Iterable[Record]) -> str:
    """mm, or px where distances are counted in pixels: of pictures, and of sources that say so (`units`)."""
    if hasattr(source, "units"):
        return str(source.units)
    endings = {ending for record in records for ending in endings_of(source, record)}
    return "px" if endings and endings <= set(FLAT) else "mm"


def endings_of(source: Source, record: Record) -> list[str]:
    """Of the files of the image; none where a source is not made of files."""
    return [suffix(name) for name in files_of(record, "image")] if hasattr(source, "paths") else []


def read_in(source: Source, records: Sequence[Record], axes: Counter[str]) -> dict[str, str]:
    """Heads and words: files, types, channels, colours and axes of volumes.

    axes: where the axes of how many volumes lead.
    """
    raws: dict[str, Raw] = getattr(source, "raw", {})
    files = Counter(ending or "no ending" for record in records for ending in endings_of(source, record))
    channels = Counter(raw.words for raw in raws.values())
    greyed = sum(raw.greyed for raw in raws.values())
    told = {
        "files": _most(files),
        "channels": _most(channels),
        "axes lead to": _most(axes),
    }
    if {raw.channels for raw in raws.values()} - {source.channels}:
        told["channels"] += f"; served as {source.channels}"
    if greyed:
        told["channels"] += f", colours by their luminance ({greyed})"
    return {head: words for head, words in told.items() if words}


def types_of(source: Source) -> Counter[str]:
    """As stored, where the source remembers it."""
    return Counter(raw.dtype for raw in getattr(source, "raw", {}).values())


def _most(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in counts.most_common())
