"""Match the names of a list to cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ganatomy.data.io.readers import KNOWN, suffix
from ganatomy.data.problems import blamed, called, few, noted, own_files
from ganatomy.data.records import Fault, Record
from ganatomy.data.splits.lists import Groups
from ganatomy.errors import UserError

ENDINGS = (*KNOWN, ".npz", ".xml", ".json", ".txt")
"""Known extensions; any other dot belongs to the name."""
LIST, UNNAMED = "split list", "not in the list"
"""Kinds of faults about a split, which do not count with folds or a split_file."""


def assigned(
    records: Sequence[Record],
    given: Groups,
    where: str,
    more: Callable[[Record], Iterable[str]] = lambda record: (),
) -> list[Record]:
    """Return the records with the split and the subject that a list gives them.

    A name is that of a case, a file or a subject, with or without the file's extension, with fewer or more
    folders before it if that is unique. Faults report a name without a case, a name that fits two cases, a
    case without a name (and without a split from elsewhere), and a case whose names are in two splits.

    Args:
        records: the records of the source.
        given: name -> (group, split).
        where: the list, for messages.
        more: returns further names of a record.

    Raises:
        UserError: no name belongs to a case.
    """
    index = _Index(records, more)
    all_subjects = all(name in index.subjects for name in given)
    meant = {name: index.subjects[name] if all_subjects else index.meant(name) for name in given}
    doubtful = {name for name, places in meant.items() if len(places) > 1 and not index.alike(name, places)}
    unknown = [name for name, places in meant.items() if not places]
    if len(unknown) == len(given):
        raise UserError(
            f"{where}: none of its {len(given)} names ({few(unknown, 2)}) matches the {len(records)} cases "
            f"({few([called(record) for record in records], 2)})"
        )
    claims: dict[int, list[str]] = defaultdict(list)
    for name, places in meant.items():
        for place in places:
            claims[place].append(name)
    done = [
        _given(record, [*claims[place]], given, doubtful, where, meant, records)
        for place, record in enumerate(records)
    ]
    faults = []
    if unknown:
        words = f"{len(unknown)} of its {len(given)} names match no case of the data set: {few(unknown)}"
        faults.append(Fault("", LIST, f"{where}: {words}; correct or remove them"))
    return noted(_unnamed(done, claims, given, where), faults)


def _given(
    record: Record,
    names: Sequence[str],
    given: Groups,
    doubtful: set[str],
    where: str,
    meant: Mapping[str, set[int]],
    records: Sequence[Record],
) -> Record:
    """Return a record with the split of its names, or with the fault that prevents it."""
    for name in doubtful.intersection(names):
        both = [called(records[place]) for place in sorted(meant[name])]
        words = f"{where}: {name} may be {few(both, 2, ' or ')}; add its folder and its extension"
        return blamed(replace(record, split=None), Fault(record.case, LIST, words))
    wanted = {given[name]: name for name in names}
    if len(wanted) > 1:
        (one, (_, first)), (two, (_, second)) = [(n, g) for g, n in wanted.items()][:2]
        words = f"{where}: {called(record)} is {one} in {first} and {two} in {second}; name it once"
        return blamed(replace(record, split=None), Fault(record.case, LIST, words))
    if not names:
        return record
    group, split = given[names[0]]
    return replace(record, split=split, subject=group or record.subject)


def _unnamed(
    records: list[Record], claims: Mapping[int, list[str]], given: Groups, where: str
) -> list[Record]:
    """Return the records, with a fault on each that the list omits; these get no split."""
    grouped = any(group for group, _ in given.values())
    left = [
        place
        for place, record in enumerate(records)
        if not claims.get(place) and (grouped or record.split is None)
    ]
    if not left:
        return records
    names = few([called(records[place]) for place in left])
    words = f"{where}: {len(left)} of {len(records)} cases are not in it: {names}; add them"
    kind = "group" if grouped else UNNAMED
    for place in left:
        fault = Fault(records[place].case, kind, f"{words}, or leave them out with data.on_error=skip")
        records[place] = blamed(replace(records[place], split=None), fault)
    return records


class _Index:
    """Index of records by every name that a list may use."""

    def __init__(self, records: Sequence[Record], more: Callable[[Record], Iterable[str]]) -> None:
        self.whole, self.ends, self.bare, self.bare_ends, self.subjects = (
            defaultdict[str, set[int]](set) for _ in range(5)
        )
        for place, record in enumerate(records):
            self.subjects[record.subject].add(place)
            for name in (record.case, *more(record)):
                self.whole[name].add(place)
            for file in own_files(record):
                self.whole[file].add(place)
                self.bare[_bare(file)].add(place)
                for end in _ends(file):
                    self.ends[end].add(place)
                    self.bare_ends[_bare(end)].add(place)

    def meant(self, name: str) -> set[int]:
        """Return the positions of the records that a name may mean, by the most exact kind of match."""
        bare = _bare(name)
        tries = [
            (self.whole, [name]),
            (self.ends, [name]),
            (self.whole, _ends(name)),
            (self.bare_ends, [bare]),
            (self.bare, _ends(bare)),
        ]
        found = next((tier[key] for tier, keys in tries for key in keys if key in tier), set())
        return found | self.subjects.get(name, set())

    def alike(self, name: str, places: set[int]) -> bool:
        """Return True if these are records of the subject of that name."""
        return places <= self.subjects.get(name, set())


def _ends(name: str) -> list[str]:
    """Return a/b/c, b/c, c."""
    parts = name.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _bare(name: str) -> str:
    """Return the name without its file extension."""
    ending = suffix(name)
    return name[: -len(ending)] if ending in ENDINGS else name
