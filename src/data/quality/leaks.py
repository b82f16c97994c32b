"""Images and subjects that appear in more than one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from ganatomy.data.problems import called, few, file_of, files_of, sound
from ganatomy.data.records import SPLITS, Fault, Record
from ganatomy.text.names import hidden, printable

LONGEST = 256
"""Bytes of the name of a case or a subject, which tables of scores keep."""


def leaks(records: Iterable[Record]) -> list[Fault]:
    """Return the faults that are known before a pixel is read.

    These are the problems that the source found, subjects and files in more than one split, cases of the same
    name, and names that are too long or have line breaks or other hidden characters.
    """
    records = list(records)
    sides: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.split:
            sides[record.subject].add(record.split)
    shared = {
        subject: [s for s in SPLITS if s in where] for subject, where in sides.items() if len(where) > 1
    }
    found = [
        Fault(
            r.case, "shared subject",
            f"{r.case}: its subject {r.subject} is in {' and in '.join(shared[r.subject])}; "
            "put each subject in one split (data.split_file)",
        )
        for r in records
        if r.subject in shared and r.split == "train"
    ]  # fmt: skip
    return [
        *(f for r in records for f in r.problems),
        *found,
        *_shared(records),
        *_namesakes(records),
        *_unfit(records),
    ]


def _shared(records: Sequence[Record]) -> Iterable[Fault]:
    """Yield a fault for each file that is used in several splits: training data in the test."""
    used: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
    for record in records:
        for role in ("image", "target", "label") if record.split else ():
            for file in files_of(record, role):
                used[file, role].setdefault(str(record.split), record)
    for (file, role), sides in used.items():
        if len(sides) > 1:
            names = few([f"{split} ({called(r)})" for split, r in sides.items()])
            named = file_of(next(iter(sides.values())), file)
            words = f"{named}: is the {role} of images of {names}; put them in one split with data.subject"
            yield from (Fault(r.case, "shared file", words) for r in sides.values() if sound(r))


def _unfit(records: Sequence[Record]) -> Iterable[Fault]:
    for record in records:
        for what, name in (("name", record.case), ("subject", record.subject)):
            if sign := hidden(name):
                words = f'"{printable(name)}": the {what} has the hidden character {sign}; rename it'
                yield Fault(record.case, "hidden character", words)
                break
            if (size := len(name.encode())) > LONGEST:
                words = f"{name[:40]}...: the {what} has {size} bytes, {LONGEST} are allowed"
                yield Fault(record.case, "long name", f"{words}; shorten it, or begin data.root further down")
                break


def _namesakes(records: Sequence[Record]) -> Iterable[Fault]:
    for name, count in Counter(record.case for record in records).items():
        if count > 1:
            alike = [called(r) for r in records if r.case == name]
            yield Fault(
                name, "name", f"{name}: two cases have this name ({few(alike, 2, ' and ')}); rename a file"
            )
