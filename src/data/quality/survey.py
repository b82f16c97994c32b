"""Survey before training: read every case once, find its faults and fill the cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ganatomy.data.cache import Cache
from ganatomy.data.io.digests import STORES, trim
from ganatomy.data.label_values import classes
from ganatomy.data.problems import told_once
from ganatomy.data.quality.familiarity.case_summary import Summary, summarise
from ganatomy.data.quality.faults import examined, name_of
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.records import IGNORED, Case, Fault, Record, Source, picture
from ganatomy.data.transforms.boxes import usable_boxes
from ganatomy.data.transforms.prepare import Prepared, grid_of
from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.invocation import typed

log = logging.getLogger(__name__)
OnError = Literal["stop", "skip"]
SHOWN = 10
SETTINGS = 4
"""Facts of the same cases under this many other settings are kept too."""
FORMAT = 4
"""Part of the name of the file of facts: increase it when they hold something else."""
SUMMARISED = 1500
"""Cases that are summarised, of larger data sets: more change no limit of what is familiar."""


@dataclass(frozen=True)
class Facts:
    """Facts about a case, kept so that it need not be read again.

    Attributes:
        shape: Shape of the prepared image; empty if the case cannot be used.
        faults: Faults and notes.
        content: `Source.content` of the case.
        holds: Classes in the case, see `classes_in`.
        kept: Fraction of the image that training uses, 0 to 1.
        summary: Measurements of the image as read; empty if it was not measured.
    """

    shape: tuple[int, ...]
    faults: tuple[Fault, ...]
    content: str = ""
    holds: dict[str, list[int]] = field(default_factory=dict)
    kept: float = 1.0
    summary: Summary = field(default_factory=dict)

    @property
    def grave(self) -> bool:
        return any(fault.grave for fault in self.faults)

    @property
    def unreadable(self) -> bool:
        """True if the case could not be read or broke the contract; its source may be corrected meanwhile."""
        return any(fault.kind in ("unreadable", "contract") for fault in self.faults)


def survey(
    records: Sequence[Record], source: Source, cache: Cache, prepared: Prepared, folder: Path
) -> dict[str, Facts]:
    """Return the facts of every case, and fill the cache.

    A case is read unless its facts and, with a cache, the prepared case are kept from an earlier survey.

    Args:
        records: Records of all cases.
        source: Source that reads them.
        cache: Cache of prepared cases.
        prepared: Preparation of cases.
        folder: Folder of the cache, which keeps the facts too.

    Returns:
        Name of each case to its facts.

    Raises:
        UserError: If a file changes meanwhile, or a case cannot be prepared.
    """

    def keep(record: Record, case: Case) -> tuple[tuple[int, ...], float]:
        ready = prepared.prepare(record, case)
        if not cache.holds(record):
            raise UserError("changed while it was read; start again once the data no longer change")
        cache.put(record, ready)
        return picture(ready).shape, prepared.preparation.kept(grid_of(case))

    notes = Notes(folder, records)
    known = notes.read()
    measured = summarised(records)
    facts, named = {}, {}
    for record in records:
        name = cache.name(record)
        fact, measure = known.get(name), record.case in measured
        if (
            fact is None
            or (measure and not fact.summary and not fact.grave and "missing" not in fact.holds)
            or not (fact.grave or cache.kind == "none" or cache.has(record))
        ):
            fact = look(record, source, keep, measure)
        facts[record.case] = named[name] = fact
    if cache.kind != "memory":
        notes.write(named)
    return facts


def summarised(records: Sequence[Record]) -> set[str]:
    """Return the names of the images to summarise: at most `SUMMARISED`, training cases first."""
    records = [record for record in records if record.side != "target"]

    def order(record: Record) -> tuple[bool, bytes]:
        return record.split != "train", hashlib.sha256(record.case.encode(errors="surrogateescape")).digest()

    some = records if len(records) <= SUMMARISED else sorted(records, key=order)[:SUMMARISED]
    return {record.case for record in some}


def look(
    record: Record,
    source: Source,
    keep: Callable[[Record, Case], tuple[tuple[int, ...], float]],
    measure: bool = False,
) -> Facts:
    """Read and inspect one case.

    Args:
        record: Record of the case.
        source: Source that reads it.
        keep: Prepares and caches a case without faults; returns its shape and the fraction that is kept.
        measure: Summarise the image.

    Raises:
        UserError: If the case cannot be prepared; the message names its file.
    """
    case, found = examined(record, source)
    faults = tuple(found)
    if case is None or any(fault.grave for fault in faults):
        return Facts((), faults)
    try:
        shape, kept = keep(record, case)
        holds = classes_in(case)
        measure = measure and "missing" not in holds  # a missing channel is not a constant one
        summary = summarise(case["image"], case["affine"], case["spacing"]) if measure else {}
        return Facts(shape, faults, source.content(record), holds, kept, summary)
    except UserError as error:
        raise UserError(f"{name_of(record, source)}: {error}") from error


def classes_in(case: Case) -> dict[str, list[int]]:
    """Return the class numbers in a case: `label` (above 0), `boxes` and `class`, if the case has them.

    A case with a target has the key `target`, without numbers; so have `mask` and `instances`, and `unscored`
    if no voxel of its label map counts. `missing` holds the channels that it lacks, if any.
    """
    found: dict[str, list[int]] = {"target": []} if "target" in case else {}
    if "label" in case:
        found["label"] = classes(case["label"])
        if case["label"].dtype.kind == "i" and case["label"].min() == IGNORED:
            found |= _without_truth(case)
    if "boxes" in case:
        _, usable = usable_boxes(case["boxes"], picture(case).shape[1:])
        found["boxes"] = np.unique(case["classes"][usable]).tolist()
    found |= {key: [] for key in ("mask", "instances") if key in case}
    if "present" in case and not case["present"].all():
        found["missing"] = np.flatnonzero(~case["present"]).tolist()
    if "class" in case:
        found["class"] = np.unique(case["class"]).tolist()
    return found


def _without_truth(case: Case) -> dict[str, list[int]]:
    """Return {"unscored": []} if the label map of a case holds no voxel that counts."""
    known = case["label"] != IGNORED
    known = known & case["mask"] if "mask" in case else known
    return {} if known.any() else {"unscored": []}


def usable_records(records: Sequence[Record], facts: dict[str, Facts], on_error: OnError) -> list[Record]:
    """Return the records without grave faults.

    Args:
        records: Records of all cases.
        facts: Facts of each case, from `survey`.
        on_error: "stop" to refuse grave faults, "skip" to leave their cases out and log a warning for each.

    Raises:
        UserError: With "stop", if there is a grave fault; one line per fault.
    """
    faults = [*leaks(records), *(fault for record in records for fault in facts[record.case].faults)]
    grave = [fault for fault in faults if fault.grave]
    if grave and on_error == "stop":
        lines = told_once(grave)
        if len(lines) > SHOWN:
            lines[SHOWN:] = [f"... and {len(lines) - SHOWN} other faults; {typed('check')} lists them all"]
        raise UserError("\n".join([*lines, "correct these, or leave them out with data.on_error=skip"]))
    left_out = {fault.case for fault in grave}
    for line in told_once(grave):
        log.warning("data: left out: %s", line)
    return [record for record in records if record.case not in left_out]


class Notes:
    """File in the cache's folder that keeps the facts of a data set's cases, by their names in the cache.

    Cases that could not be read are not kept: the cause may lie elsewhere.
    """

    def __init__(self, folder: Path, records: Iterable[Record]) -> None:
        names = "\n".join([str(FORMAT), *(record.case for record in records)]).encode(
            errors="surrogateescape"
        )
        self.path = folder / "facts" / f"{hashlib.sha256(names).hexdigest()[:32]}.json"

    def read(self) -> dict[str, Facts]:
        try:
            rows: dict[str, Any] = json.loads(self.path.read_text())
            return {
                name: Facts(tuple(r.pop("shape")), tuple(Fault(**f) for f in r.pop("faults")), **r)
                for name, r in rows.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write(self, facts: dict[str, Facts]) -> None:
        """Add facts to those of the same cases under other settings or in other folders."""
        lasting = {name: fact for name, fact in facts.items() if not fact.unreadable}
        known = self.read()
        if known.keys() >= lasting.keys():
            return
        others = [(name, fact) for name, fact in known.items() if name not in facts]
        rows = dict(others[-SETTINGS * len(facts) :]) | lasting
        plain = {name: {**vars(f), "faults": [vars(fault) for fault in f.faults]} for name, f in rows.items()}
        write_whole(self.path, json.dumps(plain).encode())
        trim(self.path.parent, STORES)
