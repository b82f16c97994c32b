"""Reading every case once before the first step: what is there, and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from src.data.cache import Cache
from src.data.faults import Fault, inspect, leaks, name_of
from src.data.problems import told_once
from src.data.readers import ReadError
from src.data.records import Case, Record, Source
from src.errors import UserError

log = logging.getLogger(__name__)
OnError = Literal["stop", "skip"]
SHOWN = 10


@dataclass(frozen=True)
class Facts:
    """What is known of a case without reading it again: its prepared shape, its faults, and its content, told
    as `Source.content` does."""

    shape: tuple[int, ...]
    faults: tuple[Fault, ...]
    content: str = ""

    @property
    def grave(self) -> bool:
        return any(fault.grave for fault in self.faults)


def survey(
    records: Sequence[Record], source: Source, cache: Cache, prepare: Callable[[Case], Case], folder: Path
) -> dict[str, Facts]:
    """Facts of every case, read anew unless they and the prepared case are remembered; fills the cache."""

    def keep(record: Record, case: Case) -> tuple[int, ...]:
        ready = prepare(case)
        cache.put(record, ready)
        return ready["image"].shape

    notes = Notes(folder, [cache.key(record) for record in records])
    known = notes.read()
    facts = {}
    for record in records:
        fact = known.get(record.case)
        if fact is None or not (fact.grave or cache.kind == "none" or cache.has(record)):
            fact = look(record, source, keep)
        facts[record.case] = fact
    if cache.kind != "memory":
        notes.write(facts)
    return facts


def look(record: Record, source: Source, keep: Callable[[Record, Case], tuple[int, ...]]) -> Facts:
    """Read and inspect one case; `keep` prepares a sound one and tells its shape."""
    try:
        case = source.load(record)
    except ReadError as error:
        return Facts((), (Fault(record.case, "unreadable", str(error)),))
    faults = tuple(inspect(record, case, source))
    if any(fault.grave for fault in faults):
        return Facts((), faults)
    try:
        return Facts(keep(record, case), faults, source.content(record))
    except UserError as error:
        raise UserError(f"{name_of(record, source)}: {error}") from error


def judge(records: Sequence[Record], facts: dict[str, Facts], on_error: OnError) -> list[Record]:
    """The records to go on with. Raises `UserError`, one line a fault, when one is grave and `on_error`
    is stop."""
    faults = [*leaks(records), *(fault for record in records for fault in facts[record.case].faults)]
    grave = [fault for fault in faults if fault.grave]
    for line in told_once(fault for fault in faults if not fault.grave):
        log.info("data: %s", line)
    if grave and on_error == "stop":
        lines = told_once(grave)
        if len(lines) > SHOWN:
            lines[SHOWN:] = [f"... and {len(lines) - SHOWN} other faults; python -m src.check lists them all"]
        raise UserError("\n".join([*lines, "mend these, or train on the rest with data.on_error=skip"]))
    left_out = {fault.case for fault in grave}
    for line in told_once(grave):
        log.warning("data: left out: %s", line)
    return [record for record in records if record.case not in left_out]


class Notes:
    """Facts of the cases of a data set, remembered in the cache's folder under the content they were
    found in."""

    def __init__(self, folder: Path, keys: Iterable[str]) -> None:
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
        self.path = folder / "facts" / f"{name}.json"

    def read(self) -> dict[str, Facts]:
        try:
            rows: dict[str, Any] = json.loads(self.path.read_text())
            return {
                c: Facts(tuple(r["shape"]), tuple(Fault(**f) for f in r["faults"]), r["content"])
                for c, r in rows.items()
            }
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def write(self, facts: dict[str, Facts]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({case: asdict(fact) for case, fact in facts.items()}))
        temporary.replace(self.path)
