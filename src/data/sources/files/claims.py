"""Files belong to one case each: a file claimed by two cases is a fault that names both."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ganatomy.data.problems import blamed, called, few, file_of, files_of
from ganatomy.data.records import Fault, Record

ROLES = ("image", "target", "label", "mask", "instances")
Claims = dict[str, list[tuple[int, str]]]


def claimed(records: Sequence[Record], folder: Path, shared: Sequence[str] = ()) -> list[Record]:
    """Return the records, with a fault on each that uses a file of another record, or one file twice.

    Files that do not exist are reported elsewhere.

    Args:
        records: the records of the source.
        folder: the folder that their paths are relative to.
        shared: roles for which several cases may use one file.
    """
    claims: Claims = defaultdict(list)
    for place, record in enumerate(records):
        for role in ROLES:
            for file in files_of(record, role):
                claims[posixpath.normpath(file)].append((place, role))
    done = list(records)
    for file, owners in claims.items():
        if len(owners) == 1 or _allowed(owners, shared) or not (folder / file).exists():
            continue
        if {place for place, _ in owners} == {owners[0][0]} and "take" in records[owners[0][0]].content:
            continue  # other channels of one file
        words = _words(file, owners, records)
        for place in sorted({place for place, _ in owners}):
            done[place] = blamed(done[place], Fault(records[place].case, "claim", words))
    return done


def _allowed(owners: Sequence[tuple[int, str]], shared: Sequence[str]) -> bool:
    roles, places = {role for _, role in owners}, {place for place, _ in owners}
    return len(roles) == 1 and roles <= set(shared) and len(places) == len(owners)


def _words(file: str, owners: Sequence[tuple[int, str]], records: Sequence[Record]) -> str:
    names = [called(records[place]) for place, _ in owners]
    roles = [role for _, role in owners]
    file = file_of(records[owners[0][0]], file)
    if len({place for place, _ in owners}) == 1:
        case = records[owners[0][0]].case
        return f"{file}: case {case} names it twice, as {' and as '.join(roles)}; name each file once"
    if set(roles) == {"image"}:
        cases = [records[place].case for place, _ in owners]
        return f"{file}: is the image of two cases, {few(cases, 2, ' and ')}; give an image one case"
    if "image" in roles:
        role = next(role for role in roles if role != "image")
        owner = names[roles.index(role)]
        return (
            f"{file}: is an image of the data set and the {role} of {owner}; leave it out of data.image "
            "(data.exclude)"
        )
    role = roles[0]
    words = f"{file}: is the {role} of {few(names, 2, ' and of ')}"
    if len(set(roles)) > 1:
        return f"{words}, and a {next(r for r in roles if r != role)} too; name each file once"
    apart = " (data.unpaired=true, if the two sides need not match)" if role == "target" else ""
    return (
        f"{words}; give each its own (data.{role}), or let images share one with data.shared=[{role}], with "
        f"data.subject keeping them in one split{apart}"
    )


def uneven(records: Sequence[Record], channels: int) -> list[Record]:
    """Return the records, with a fault on each that has more or fewer image files than most others."""
    counts = [len(record.content.get("present") or files_of(record, "image")) for record in records]
    usual = max(set(counts) - {0}, key=counts.count, default=0)
    done = list(records)
    for place, (record, count) in enumerate(zip(records, counts, strict=True)):
        known = any(fault.kind == "channels" for fault in record.problems)
        if count != usual and max(count, usual) > 1 and count and not known:
            files = few(files_of(record, "image"), 2)
            words = (
                f"{record.case}: has {count} image file{'s' * (count > 1)} ({files}), the others "
                f"have {usual} (data.channels={channels}); add the missing channel, or leave the case out"
                + (", or leave its place empty with data.missing=zero" if count < usual else "")
            )
            done[place] = blamed(record, Fault(record.case, "channels", words))
    return done
