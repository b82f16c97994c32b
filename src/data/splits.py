"""Who is trained on, who validates, who tests."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.data.records import SPLITS, Record, Split
from src.errors import UserError

NAMES: dict[str, Split] = {name: name for name in SPLITS} | {
    "training": "train", "tr": "train", "validation": "val", "valid": "val", "testing": "test", "ts": "test",
}  # fmt: skip
Groups = dict[str, tuple[str | None, Split | None]]


@dataclass(frozen=True)
class Splitting:
    """How records without a split of their own get one; all the records of a subject get the same.

    shares: of train, val and test. seed: of the order in which subjects are dealt. folds, fold: instead,
    fold number `fold` of `folds` tests, and the share of `val` is taken from the others. file: instead of
    everything, a JSON file {train: [...], val: [...], test: [...]} or a CSV with the columns file and
    split, of cases or subjects.
    """

    shares: tuple[float, ...] = (4, 1, 1)
    seed: int = 0
    folds: int | None = None
    fold: int | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if (self.folds is None) != (self.fold is None):
            raise UserError("data.fold, data.folds: give both or neither, e.g. data.folds=5 data.fold=0")
        if self.folds is not None and self.fold is not None and not 0 <= self.fold < self.folds:
            raise UserError(f"data.fold={self.fold}: choose 0 to {self.folds - 1}")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"data.folds={self.folds}: at least 2 are needed")
        shares(100, self.shares)

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """The same records in the same order, each with a split."""
        if self.file:
            return self._from_file(records)
        if self.folds is not None:
            return self._by_fold(records)
        free = [record for record in records if record.split is None]
        parts = (
            dict(zip(subjects_in_turn(free, self.seed), self._cycle(len(subjects_of(free))), strict=True))
            if free
            else {}
        )
        dealt = [r if r.split else replace(r, split=parts[r.subject]) for r in records]
        return self._fill(dealt) if len(free) < len(records) else dealt

    def _fill(self, records: Sequence[Record]) -> list[Record]:
        """A published split often lacks val or test: their share is taken from the subjects that train."""
        done = list(records)
        for number, split in ((2, SPLITS[2]), (1, SPLITS[1])):
            training = [record for record in done if record.split == "train"]
            if self.shares[number] and training and not any(record.split == split for record in done):
                turn = subjects_in_turn(training, self.seed)
                rest = sum(self.shares[:number])
                chosen = spread(turn, shares(len(turn), (rest, self.shares[number], 0))[1])
                done = [
                    replace(r, split=split) if r.split == "train" and r.subject in chosen else r for r in done
                ]
        return done

    def _cycle(self, n: int) -> list[Split]:
        """Splits for subjects in turn, in proportion wherever one cuts, so that strata share alike."""
        left = dict(zip(SPLITS, shares(n, self.shares), strict=True))
        total, dealt = dict(left), []
        for _ in range(n):
            chosen = max((s for s in SPLITS if left[s]), key=lambda s: left[s] / total[s])
            left[chosen] -= 1
            dealt.append(chosen)
        return dealt

    def _by_fold(self, records: Sequence[Record]) -> list[Record]:
        assert self.folds is not None and self.fold is not None
        turn = subjects_in_turn(records, self.seed)
        place = {subject: index % self.folds for index, subject in enumerate(turn)}
        place |= {record.subject: record.fold for record in records if record.fold is not None}
        if len(set(place.values())) < self.folds:
            raise UserError(
                f"data.folds={self.folds}: {len(turn)} subjects make only {len(set(place.values()))} folds"
            )
        rest = [subject for subject in turn if place[subject] != self.fold]
        train, val, _ = self.shares
        count = max(1, round(len(rest) * val / (train + val))) if val else 0
        held = spread(rest, min(count, len(rest)))
        if len(held) >= len(rest):
            raise UserError(f"data.folds={self.folds}: {len(turn)} subjects leave nobody to train on")
        return [
            replace(
                r, split="test" if place[r.subject] == self.fold else "val" if r.subject in held else "train"
            )
            for r in records
        ]

    def _from_file(self, records: Sequence[Record]) -> list[Record]:
        assert self.file is not None
        path = Path(self.file).expanduser()
        given = read_splits(path)
        found = [
            next((given[k][1] for k in (r.case, r.subject, *_files(r)) if k in given), None) for r in records
        ]
        if not any(found):
            raise UserError(f"data.split_file={path}: names none of the {len(records)} cases or subjects")
        return [replace(record, split=split) for record, split in zip(records, found, strict=True) if split]


def subjects_of(records: Sequence[Record]) -> dict[str, str]:
    """Subject -> stratum, that of most of its records."""
    votes: dict[str, list[str]] = defaultdict(list)
    for record in records:
        votes[record.subject].append(record.stratum)
    return {subject: max(sorted(set(strata)), key=strata.count) for subject, strata in sorted(votes.items())}


def subjects_in_turn(records: Sequence[Record], seed: int) -> list[str]:
    """Subjects stratum by stratum, shuffled within; a function of names, strata and seed, on every machine.

    Dealt out in turn, every stratum is shared alike.
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
    """`count` of the items, evenly spaced."""
    return {items[int((k + 0.5) * len(items) / count)] for k in range(count)}


def shares(n: int, parts: Sequence[float]) -> tuple[int, int, int]:
    """Counts of train, val and test among `n`, in proportion to `parts`; no part above zero gets nobody.

    The remainder is trained on: (16, 4, 4) of 24 is 16/4/4, of 6 is 4/1/1.
    """
    if len(parts) != 3 or min(parts) < 0 or parts[0] <= 0:
        raise UserError(f"data.split={list(parts)}: give three shares, train, val and test, e.g. [16,4,4]")
    val, test = (max(1, round(n * part / sum(parts))) if part else 0 for part in parts[1:])
    if n - val - test < 1:
        raise UserError(
            f"data.split={list(parts)}: {n} subjects leave nobody to train on; give more subjects"
        )
    return n - val - test, val, test


def read_splits(path: Path) -> Groups:
    """Names -> (group, split) of a CSV (columns file, split, and perhaps group), a JSON file of lists, or a
    folder with train.txt, val.txt and test.txt."""
    if path.is_dir():
        lists = [(split, path / f"{split}.txt") for split in SPLITS]
        return {n: (None, s) for s, p in lists if p.is_file() for n in p.read_text().split()}
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = (
            _from_json(json.loads(text))
            if path.suffix == ".json"
            else list(csv.DictReader(text.splitlines()))
        )
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read as a table of splits ({error})") from error
    found: Groups = {}
    for number, row in enumerate(rows, 2):
        if not row.get("file") or not row.get("split"):
            raise UserError(f"{path}, row {number}: needs the columns file and split")
        split = NAMES.get(row["split"].strip().lower())
        if split is None:
            raise UserError(f"{path}, row {number}: split {row['split']}; choose train, val or test")
        found[row["file"]] = (row.get("group") or None, split)
    return found


def _from_json(lists: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {"file": name, "split": split} for split, names in lists.items() if split in NAMES for name in names
    ]


def _files(record: Record) -> list[str]:
    """Names under which a split file may list a record."""
    image = record.content.get("image")
    first = image[0] if isinstance(image, list) and image else image
    return [first, Path(first).name] if isinstance(first, str) else []
