"""Arms of a comparison: one run each, or several that differ in seed or fold."""

from __future__ import annotations

import glob
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from ganatomy.compare.finished import Finished, read_finished
from ganatomy.errors import UserError

FORM = "give two or more, as in runs=[runs/a,runs/b], or with seeds: runs=[[a0,a1],[b0,b1]]"


@dataclass(frozen=True)
class Arm:
    """Runs that count as one: a case's score is its mean over the runs that tested it.

    Attributes:
        letter: A, B, ...
        runs: Runs.
        cases: Names of the cases that at least one run tested, in order.
    """

    letter: str
    runs: Sequence[Finished]
    cases: Sequence[str] = field(default=())

    def score(self, case: str, name: str) -> float:
        """Return the mean of a case's score over the runs that tested it; NaN if one has none."""
        values = [run.score(case, name) for run in self.runs if case in run.cases]
        return math.fsum(values) / len(values) if values else math.nan

    def subject(self, case: str) -> str:
        return next(run.subjects[case] for run in self.runs if case in run.cases)

    def digest(self, case: str) -> str:
        return next((run.digests[case] for run in self.runs if case in run.digests), "")

    def row(self, case: str) -> str:
        """Return where a case stands: its number among the rows of scores.csv, and of which run."""
        number, run = next((n, r) for n, r in enumerate(self.runs) if case in r.cases)
        place = list(run.cases).index(case) + 1
        return f"row {place}" if len(self.runs) == 1 else f"row {place} of run {number + 1}"

    @property
    def scores(self) -> list[str]:
        """Names of the scores of cases, that which the checkpoint was chosen by first."""
        names = dict.fromkeys(name for run in self.runs for case in run.cases.values() for name in case)
        return sorted(names, key=lambda name: name != self.monitor)

    @property
    def tested(self) -> frozenset[str]:
        """Digests of all test cases."""
        return frozenset[str]().union(*(run.tested for run in self.runs))

    @property
    def unit(self) -> str:
        """Unit of distances, mm or px."""
        return self.runs[0].unit

    @property
    def monitor(self) -> str:
        """Score that the checkpoint was chosen by, without the split."""
        return str((self.runs[0].config.get("task") or {}).get("monitor", "")).partition("/")[2]

    @property
    def words(self) -> str:
        """Return the runs for display."""
        first = self.runs[0].shown
        return first if len(self.runs) == 1 else f"{first} and {len(self.runs) - 1} more, averaged"

    def whole(self, name: str) -> float:
        """Return the mean over runs of a score of the whole test set; NaN if one has none."""
        values = [run.metrics.get(f"test/{name}", math.nan) for run in self.runs]
        return math.fsum(values) / len(values)


def read_arms(named: Sequence[Any]) -> list[Arm]:
    """Read the runs of each arm.

    Args:
        named: A path or pattern for each arm, or a list of them. One pattern alone: each match is an arm.

    Raises:
        UserError: There are fewer than two arms, a run is named twice or cannot be compared, or a case is not
            the same in all runs of an arm.
    """
    one = named[0] if len(named) == 1 else None
    groups = [[path] for path in _paths(one)] if isinstance(one, str) else [_several(item) for item in named]
    if len(groups) < 2:
        found = f"{len(groups)} found" if groups else "none given"
        raise UserError(f"runs: {found}; {FORM}")
    if len(groups) > len(ascii_uppercase):
        raise UserError(f"runs: {len(groups)} are too many to compare; give at most {len(ascii_uppercase)}")
    real = [path.resolve() for group in groups for path in group]
    if len(set(real)) < len(real):
        twice = next(path for path in real if real.count(path) > 1)
        raise UserError(f"runs: {twice} is named twice; {FORM}")
    return [_arm(letter, group) for letter, group in zip(ascii_uppercase, groups, strict=False)]


def _several(item: Any) -> list[Path]:
    paths = [path for text in (item if isinstance(item, list) else [item]) for path in _paths(text)]
    if not paths:
        raise UserError(f"runs: an arm without a run; {FORM}")
    return paths


def _paths(text: str) -> list[Path]:
    """Return a path, or the run directories that a pattern matches, sorted."""
    path = Path(text).expanduser()
    if path.exists() or not glob.has_magic(text):
        return [path]
    matches = map(Path, glob.iglob(str(path)))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    found = sorted(match for match in matches if (match / "status.json").is_file())
    if not found:
        raise UserError(f"runs: no run directory matches {text}")
    return found


def _arm(letter: str, paths: Sequence[Path]) -> Arm:
    runs = [read_finished(path) for path in paths]
    _same_task(letter, runs)
    known: dict[str, tuple[str, Finished]] = {}
    for run in runs:
        for case, digest in run.digests.items():
            before, other = known.setdefault(case, (digest, run))
            if before != digest:
                raise UserError(
                    f"runs: {other.path} and {run.path} were tested on other data under the same names"
                )
    return Arm(letter, runs, list(dict.fromkeys(case for run in runs for case in run.cases)))


def _same_task(letter: str, runs: Sequence[Finished]) -> None:
    tasks = {task_of(run.config) for run in runs}
    if len(tasks) > 1:
        raise UserError(
            f"runs: {letter} holds runs of several tasks ({', '.join(sorted(tasks))}); name runs of one"
        )


def task_of(config: Mapping[str, Any]) -> str:
    """Return the name of a run's task, such as segmentation."""
    target = str((config.get("task") or {}).get("_target_", ""))
    return target.rpartition(".")[2].removesuffix("Task").lower()
