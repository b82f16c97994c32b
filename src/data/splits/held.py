"""The split of an earlier run: a resumed run trains, validates and tests on the same cases."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

from ganatomy.data.records import SPLITS, Record, Source, Split
from ganatomy.errors import UserError

Changed = Literal["stop", "keep"]
Deal = Callable[[Sequence[Record]], list[Record]]
SHOWN = 3
"""Names per line; the others are counted."""


@runtime_checkable
class Pseudonymous(Protocol):
    """A source whose cases have pseudonyms, made with a secret."""

    def unknown(self, names: Collection[str]) -> str:
        """Return why none of these names is one of its own; empty if one is, or none is given."""


def dealt(source: Source, deal: Deal, held: Held | None, changed: Changed) -> tuple[list[Record], list[str]]:
    """Return the source's records with their splits, and notes.

    Args:
        source: the data set.
        deal: splits the records by the settings; used without an earlier run.
        held: the cases of the earlier run, or None.
        changed: `stop` at new cases, or `keep` the old ones only.
    """
    records = source.records()
    if held is None:
        return deal(records), []
    if why := source.unknown(held.names) if isinstance(source, Pseudonymous) else "":
        raise UserError(f"data.secret: {held.run}: {why}")
    if held.contents is None:
        return held.by_subject(records, changed, deal)
    return held.by_case(records, changed, source.content)


def digest(content: str) -> str:
    """Return 16 hexadecimal digits of a case's content (see `Source.content`); empty for a faulty case."""
    return hashlib.sha256(content.encode()).hexdigest()[:16] if content else ""


@dataclass(frozen=True)
class Held:
    """The cases of a run as written in its data.json.

    Attributes:
        run: the run's directory.
        contents: for each split, and for `none`, the `digest` of every case by name, in the run's order; None
            if 062eb33 wrote the file, which stored the names of `subjects` only.
        subjects: names of the subjects in each split.
        counts: number of cases in each split.
        whole: hash of everything.
    """

    run: str
    contents: Mapping[str, Mapping[str, str]] | None
    subjects: Mapping[Split, Sequence[str]]
    counts: Mapping[Split, int]
    whole: str

    @classmethod
    def of(cls, run: str, stored: Mapping[str, Any]) -> Held:
        """Return the cases written in a data.json."""
        return cls(run, stored.get("contents"), stored["subjects"], stored["cases"], stored["hash"])

    @property
    def names(self) -> list[str]:
        """Return the names of all cases, or of the subjects if those of the cases were not stored."""
        return list(self.digests) or [name for names in self.subjects.values() for name in names]

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of every case; empty if they were not stored."""
        return {case: known for cases in (self.contents or {}).values() for case, known in cases.items()}

    def by_case(
        self, records: Sequence[Record], changed: Changed, content: Callable[[Record], str]
    ) -> tuple[list[Record], list[str]]:
        """Return the run's cases with their splits, and a note about new cases, which are left out.

        Args:
            records: the records of the source.
            changed: `stop` at new cases, or `keep` the old ones only.
            content: returns a record's content, see `Source.content`.

        Raises:
            UserError: there are new cases and `changed` is stop, or cases are missing.
        """
        known, now = self.digests, {record.case for record in records}
        added, removed = sorted(now - known.keys()), [case for case in known if case not in now]
        split: dict[str, Split] = {case: s for s in SPLITS for case in (self.contents or {}).get(s, {})}
        found = [replace(record, split=split[record.case]) for record in records if record.case in split]
        if removed or (added and changed == "stop"):
            contents = {record.case: _safely(content, record) for record in found if known[record.case]}
            raise self._refusal(added, removed, self._differ(contents), changed)
        if changed == "keep":  # a case with a fault was not part of the run
            found = [record for record in found if known[record.case]]
        return found, _left_out(added, "case")

    def by_subject(
        self, records: Sequence[Record], changed: Changed, deal: Deal
    ) -> tuple[list[Record], list[str]]:
        """Return the records as the settings split them or, if that differs from the run, by its subjects.

        Args:
            records: the records of the source.
            changed: `stop` at new subjects, or `keep` the old ones only.
            deal: splits the records by the settings.
        """
        old: dict[str, list[Split]] = defaultdict(list)
        for split in SPLITS:
            for subject in self.subjects[split]:
                old[subject].append(split)
        added = {record.subject for record in records} - old.keys() if changed == "keep" else set()
        found = deal([record for record in records if record.subject not in added])
        now = {(record.subject, record.split) for record in found}
        if any((subject, split) not in now for subject, splits in old.items() for split in splits):
            only = {subject: splits[0] for subject, splits in old.items() if len(splits) == 1}
            found = [replace(record, split=only.get(record.subject, record.split)) for record in found]
        return found, _left_out(added, "subject")

    def in_order(self, split: Split, records: Sequence[Record]) -> list[Record]:
        """Return the records of a split in the run's order."""
        turn = {case: place for place, case in enumerate((self.contents or {}).get(split, ()))}
        return sorted(records, key=lambda record: turn.get(record.case, 0))

    def compare(self, contents: Mapping[str, str], changed: Changed) -> None:
        """Raise UserError if a case's content has changed; `contents` maps cases to their content now."""
        if differ := self._differ(contents):
            raise self._refusal([], [], differ, changed)

    def compare_whole(
        self, subjects: Mapping[Split, Sequence[str]], counts: Mapping[Split, int], whole: str
    ) -> None:
        """Raise UserError if the hash of everything has changed.

        Args:
            subjects: names of the subjects in each split now.
            counts: number of cases in each split now.
            whole: the hash now.
        """
        if whole == self.whole:
            return
        if self.contents is not None:
            raise UserError(
                f"data: {self.run} was trained on the same cases, but this version prepares them "
                "differently; continue with the version of the run (environment.json), or start a new run"
            )
        old, new = ({name for s in SPLITS for name in names[s]} for names in (self.subjects, subjects))
        parts = [_named(new - old, "subject", "added"), _named(old - new, "subject", "removed")]
        before, now = (sum(number[s] for s in SPLITS) for number in (self.counts, counts))
        if before != now:
            parts.append(f"{before} cases became {now}")
        elif not any(parts):
            parts.append("the files' names or content changed (its data.json does not tell which)")
        keep = ", or continue with the old subjects only: data.changed=keep" if new > old else ""
        line = ", ".join(filter(None, parts))
        raise UserError(
            f"data: differs from what {self.run} was trained on: {line}; put the old data back{keep}"
        )

    def _differ(self, contents: Mapping[str, str]) -> list[str]:
        known = self.digests
        return [
            case for case, content in contents.items() if known.get(case, digest(content)) != digest(content)
        ]

    def _refusal(
        self, added: Collection[str], removed: Collection[str], differ: Collection[str], changed: Changed
    ) -> UserError:
        changes = ((added, "added"), (removed, "removed"), (differ, "changed"))
        parts = ", ".join(filter(None, (_named(names, "case", what) for names, what in changes)))
        if not removed and not differ:
            way = "remove the new ones, or continue with the old ones only: data.changed=keep"
        elif changed == "keep":
            way = "data.changed=keep needs every old case as it was: put them back, or start a new run"
        else:
            way = "put the old data back, or start a new run"
        return UserError(f"data: differs from what {self.run} was trained on: {parts}; {way}")


def _left_out(added: Collection[str], kind: str) -> list[str]:
    return [f"data: {_named(added, kind, 'added')} since the run began; left out"] if added else []


def _named(names: Collection[str], kind: str, what: str) -> str:
    """Return '2 cases (a, b) came': the count and the first names; empty for no names."""
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {kind}{'s' * (len(names) > 1)} ({', '.join(sorted(names)[:SHOWN])}{more}) {what}"


def _safely(content: Callable[[Record], str], record: Record) -> str:
    """Return a record's content; empty if its files cannot be read."""
    try:
        return content(record)
    except (UserError, OSError, ValueError):
        return ""
