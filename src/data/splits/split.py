"""Split of cases into train, val and test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ganatomy.data.problems import few, noted, sound
from ganatomy.data.records import SPLITS, Fault, Record, Split
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.matching import LIST, UNNAMED, assigned
from ganatomy.errors import UserError


@dataclass(frozen=True)
class Splitting:
    """Rule that gives records a split; all records of a subject get the same.

    Records with their own split keep it. Records with a grave fault get none: they stop the run or are left
    out.

    Attributes:
        shares: proportions of train, val and test.
        seed: seed of the order of subjects.
        folds: number of folds for cross-validation, instead of `shares`; the share of val is taken from the
            training folds.
        fold: the fold that tests; with a `file` of several folds, the one to use.
        file: a list of cases or subjects (see `read_splits`), which replaces everything else; its column
            group keeps images together.
    """

    shares: tuple[float, ...] = (4, 1, 1)
    seed: int = 0
    folds: int | None = None
    fold: int | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if (self.folds is None) != (self.fold is None) and not (self.file and self.folds is None):
            raise UserError("data.fold, data.folds: give both or neither, e.g. data.folds=5 data.fold=0")
        if self.folds is not None and self.fold is not None and not 0 <= self.fold < self.folds:
            raise UserError(f"data.fold={self.fold}: choose 0 to {self.folds - 1}")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"data.folds={self.folds}: at least 2 are needed")
        if self.seed < 0:
            raise UserError(f"data.split_seed={self.seed}: give 0 or more")
        shares(100, self.shares)

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """Return the same records in the same order, each sound one with a split."""
        if self.file:
            return self._from_file(records)
        if self.folds is not None:
            return self._by_fold(without(records))
        free = [record for record in records if record.split is None and sound(record)]
        try:
            parts = self._parts(free)
        except UserError as error:
            faults = [f for r in records if not sound(r) for f in r.problems if f.grave and f.case == r.case]
            if not faults:
                raise
            words = f"{len({fault.case for fault in faults})} of {len(records)} cases have faults"
            raise UserError(f"{error}; {words}: {faults[0].words}") from error
        dealt = [r if r.split or not sound(r) else replace(r, split=parts[r.subject]) for r in records]
        return self._fill(dealt) if len(free) < sum(map(sound, records)) else dealt

    def _parts(self, records: Sequence[Record]) -> dict[str, Split]:
        """Return the split of each subject, so that each split has its share of either side.

        Too few subjects to have one in every split train, if there are others.
        """
        groups = [subjects_in_turn(group, self.seed) for group in by_side(records)]
        least = sum(share > 0 for share in self.shares)
        everybody = [subject for turn in groups for subject in turn]
        parts: dict[str, Split] = dict.fromkeys(everybody, "train")
        for turn in [turn for turn in groups if len(turn) >= least] or [everybody] * bool(everybody):
            parts |= dict(zip(turn, self._cycle(len(turn)), strict=True))
        return parts

    def _fill(self, records: Sequence[Record]) -> list[Record]:
        """Take val or test, if a published split lacks it, from the training subjects."""
        done = list(records)
        for number, split in ((2, SPLITS[2]), (1, SPLITS[1])):
            training = [record for record in done if record.split == "train" and sound(record)]
            if self.shares[number] and training and not any(record.split == split for record in done):
                turn = turn_by_side(training, self.seed)
                rest = sum(self.shares[:number])
                chosen = spread(turn, shares(len(turn), (rest, self.shares[number], 0))[1])
                done = [
                    replace(r, split=split) if r.split == "train" and r.subject in chosen else r for r in done
                ]
                words = f"{split} has no case: {len(chosen)} of the {len(turn)} training subjects are"
                done = noted(done, [Fault("", "filled split", f"{words} moved to it (data.split)", False)])
        return done

    def _cycle(self, n: int) -> list[Split]:
        """Return splits for subjects in turn, in proportion within any prefix, so that strata share alike."""
        left = dict(zip(SPLITS, shares(n, self.shares), strict=True))
        total, dealt = dict(left), []
        for _ in range(n):
            chosen = max((s for s in SPLITS if left[s]), key=lambda s: left[s] / total[s])
            left[chosen] -= 1
            dealt.append(chosen)
        return dealt

    def _by_fold(self, records: Sequence[Record]) -> list[Record]:
        assert self.folds is not None and self.fold is not None
        given = {record.subject: record.fold for record in records if record.fold is not None}
        self._check_folds(records, given)
        turn = turn_by_side([record for record in records if sound(record)], self.seed)
        place = {subject: index % self.folds for index, subject in enumerate(turn)}
        place |= {subject: given[subject] for subject in turn if subject in given}
        if len(set(place.values())) < self.folds:
            raise UserError(
                f"data.folds={self.folds}: {len(turn)} subjects make only {len(set(place.values()))} folds; "
                "give fewer folds, or more subjects"
            )
        rest = [subject for subject in turn if place[subject] != self.fold]
        train, val, _ = self.shares
        count = max(1, round(len(rest) * val / (train + val))) if val else 0
        held = spread(rest, min(count, len(rest)))
        if len(held) >= len(rest):
            raise UserError(
                f"data.folds={self.folds}: {len(turn)} subjects leave none to train on; give more subjects"
            )
        split: dict[str, Split] = {
            subject: "test" if place[subject] == self.fold else "val" if subject in held else "train"
            for subject in turn
        }
        return [replace(r, split=split[r.subject] if sound(r) else None) for r in records]

    def _check_folds(self, records: Sequence[Record], given: dict[str, int]) -> None:
        """Raise UserError if the data set's folds are incomplete, contradicting, or numbered otherwise."""
        without_fold = [record.case for record in records if record.fold is None]
        if given and without_fold:
            raise UserError(
                f"data.given_fold: {len(without_fold)} of {len(records)} cases have no fold: "
                f"{few(without_fold)}; give each one"
            )
        if torn := [r.case for r in records if r.fold is not None and r.fold != given[r.subject]]:
            raise UserError(
                f"data.given_fold: {torn[0]} is in another fold than the rest of its subject; give a "
                "subject one fold"
            )
        if given and not set(given.values()) <= set(range(self.folds or 0)):
            raise UserError(
                f"data.folds={self.folds}: data.given_fold holds {min(given.values())} to "
                f"{max(given.values())}, where 0 to {(self.folds or 0) - 1} are expected"
            )

    def _from_file(self, records: Sequence[Record]) -> list[Record]:
        assert self.file is not None
        path = Path(self.file).expanduser()
        try:
            given = read_splits(path, self.fold if self.folds is None else None)
        except UserError as error:
            raise UserError(f"data.split_file={self.file}: {error}") from error
        free = [replace(record, split=None) for record in without(records)]
        done = assigned(free, given, str(path))
        return self._fill(done) if self.fold is not None else done


def without(records: Sequence[Record]) -> list[Record]:
    """Return the records without faults about a list of splits that is not used."""
    return [
        replace(r, problems=tuple(p for p in r.problems if p.kind not in (LIST, UNNAMED))) for r in records
    ]


def by_side(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records of subjects with both sides, with images alone, and with targets alone."""
    sides: dict[str, set[str]] = defaultdict(set)
    for record in records:
        sides[record.subject] |= {record.side} if record.side else {"image", "target"}
    kinds = ({"image", "target"}, {"image"}, {"target"})
    groups = [[record for record in records if sides[record.subject] == kind] for kind in kinds]
    return [group for group in groups if group]


def turn_by_side(records: Sequence[Record], seed: int) -> list[str]:
    """Return the subjects as `subjects_in_turn` does, those of each side after one another."""
    return [subject for group in by_side(records) for subject in subjects_in_turn(group, seed)]


def subjects_of(records: Sequence[Record]) -> dict[str, str]:
    """Return the stratum of each subject: the most frequent one of its records."""
    votes: dict[str, list[str]] = defaultdict(list)
    order: dict[str, str] = {}
    for record in records:
        votes[record.subject].append(record.stratum)
        turn = record.order or record.subject
        order[record.subject] = min(order.get(record.subject, turn), turn)
    subjects = sorted(votes, key=lambda subject: (order[subject], subject))
    return {subject: max(sorted(set(votes[subject])), key=votes[subject].count) for subject in subjects}


def subjects_in_turn(records: Sequence[Record], seed: int) -> list[str]:
    """Return the subjects stratum by stratum, shuffled within each.

    The order depends on names (or `Record.order`), strata and seed only. Dealt out in turn, it shares every
    stratum alike.
    """
    strata: dict[str, list[str]] = defaultdict(list)
    for subject, stratum in subjects_of(records).items():
        strata[stratum].append(subject)
    turn = []
    for number, (_, subjects) in enumerate(sorted(strata.items())):
        order = np.random.default_rng([seed, number]).permutation(len(subjects))
        turn += [subjects[index] for index in order]
    return turn


def spread(items: Sequence[str], count: int) -> set[str]:
    """Return `count` of the items, evenly spaced."""
    return {items[int((k + 0.5) * len(items) / count)] for k in range(count)}


def shares(n: int, parts: Sequence[float]) -> tuple[int, int, int]:
    """Return the counts of train, val and test among `n`, in proportion to `parts`.

    A part above zero gets at least one. The remainder goes to train: (16, 4, 4) of 24 is 16/4/4, of 6 is
    4/1/1.
    """
    if len(parts) != 3 or min(parts) < 0 or parts[0] <= 0:
        raise UserError(f"data.split={list(parts)}: give three shares, train, val and test, e.g. [16,4,4]")
    val, test = (max(1, round(n * part / sum(parts))) if part else 0 for part in parts[1:])
    if n - val - test < 1:
        raise UserError(f"data.split={list(parts)}: {n} subjects leave none to train on; give more subjects")
    return n - val - test, val, test
