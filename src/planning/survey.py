"""Read a data set for its fingerprint; what was read is remembered by the content of the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import track

from ganatomy.data.io.digests import STORES, trim
from ganatomy.data.problems import sound
from ganatomy.data.quality.faults import examined
from ganatomy.data.records import Record, Source
from ganatomy.data.sources.files.base import Files
from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.invocation import typed
from ganatomy.planning.collector import Collector
from ganatomy.planning.fingerprint import Fingerprint
from ganatomy.runs.terminal import Terminal

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

MOST = 400
"""Training cases that are read of larger data sets."""
FORMAT = 4
"""Part of the name of a remembered fingerprint: increase it when facts are found differently."""


def surveyed(data: DataModule, remember: bool = True) -> Fingerprint:
    """Return the fingerprint of a data set, from an earlier survey if its files are the same.

    Args:
        data: Data set; nothing of it is changed.
        remember: Take and keep the fingerprint in the folder of caches.

    Raises:
        UserError: No training case can be read.
    """
    records = data.splitting(data.source.records())
    content = content_hash(data.source, records)
    told = [getattr(data.source, name, None) for name in ("modalities", "target_modality")]
    seen = (data.source.spatial_dims, data.channels, data.preparation.orientation, told)
    names = [
        tuple(each) for each in (data.source.classes, data.source.box_classes, data.source.image_classes)
    ]
    settings = repr((FORMAT, content, [r.split for r in records], MOST, seen, names))
    name = hashlib.sha256(settings.encode(errors="surrogateescape")).hexdigest()[:32]
    path = data.folder / "plans" / f"{name}.json"
    if remember and (known := _read(path)) is not None:
        return known
    chosen = sample(records)
    collector = Collector(data.source, data.preparation)
    for record in track(chosen, "reading for a plan", console=Terminal(stderr=True), transient=True):
        case, _ = examined(record, data.source)
        if case is not None:
            collector.add(record, case)
    if not collector.read:
        raise UserError(f"plan: no training case can be read; {typed('check')} data=... says why")
    found = collector.fingerprint(records, content)
    if remember:
        _write(path, found)
    return found


def sample(records: Iterable[Record]) -> list[Record]:
    """Return the training cases to read, at most `MOST`, the same at every call."""
    train = [record for record in records if record.split == "train" and sound(record)]
    if len(train) <= MOST:
        return train
    return sorted(train, key=lambda record: hashlib.sha256(_bytes(record.case)).digest())[:MOST]


def content_hash(source: Source, records: Sequence[Record]) -> str:
    """Return a hash of the content of all cases, the same on every machine and in any order."""
    found = sorted(_content(source, record) for record in records)
    if isinstance(source, Files):
        source.digests.save()
    return hashlib.sha256(_bytes("\n".join(found))).hexdigest()[:16]


def _content(source: Source, record: Record) -> str:
    try:
        return source.content(record)
    except (OSError, UserError):  # a fault of its own, which the check reports
        return "unreadable"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _read(path: Path) -> Fingerprint | None:
    try:
        return Fingerprint.from_plain(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(path: Path, found: Fingerprint) -> None:
    try:
        write_whole(path, json.dumps(found.to_plain()).encode())
        trim(path.parent, STORES)
    except OSError:  # a folder that cannot be written: the next plan reads the files again
        return
