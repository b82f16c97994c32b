"""Cases of two arms, paired by name, and their subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ganatomy.compare.arms import Arm, task_of
from ganatomy.errors import UserError
from ganatomy.text.sizes import counted


@dataclass(frozen=True)
class Pair:
    """Two arms with the cases that both have.

    Attributes:
        first: Left arm.
        other: Right arm.
        shared: Names of the cases of both, in the order of the first.
        subjects: Subject of each shared case as a number.
        same_set: Both arms were tested on the same cases.
        unchecked: Shared cases whose image and truth cannot be compared, as a run is of an earlier version.
    """

    first: Arm
    other: Arm
    shared: Sequence[str]
    subjects: Sequence[int]
    unchecked: int
    same_set: bool

    @property
    def name(self) -> str:
        return f"{self.first.letter} − {self.other.letter}"

    @property
    def counts(self) -> str:
        """Return how many cases are paired, and how many only one arm has."""
        both = len(self.shared)
        text = f"{counted(both, 'test case')} of {counted(len(set(self.subjects)), 'subject')} in both"
        for arm in (self.first, self.other):
            if alone := len(arm.cases) - both:
                text += f", {alone} only in {arm.letter}"
        return text


def pair(first: Arm, other: Arm) -> Pair:
    """Pair the test cases of two arms.

    Raises:
        UserError: The tasks differ, no case is in both, or one with the same name has another image or truth.
    """
    ours, theirs = (task_of(arm.runs[0].config) for arm in (first, other))
    if ours != theirs:
        raise UserError(
            f"runs: {first.letter} is of task={ours}, {other.letter} of task={theirs}; compare one task"
        )
    known = set(other.cases)
    shared = [case for case in first.cases if case in known]
    if first.cases and other.cases and not shared:
        raise UserError(
            f"runs: {first.letter} and {other.letter} have no test case in common ({len(first.cases)} and "
            f"{len(other.cases)} cases); give runs with the same data and split"
        )
    if not first.cases and not other.cases and first.tested and other.tested and first.tested != other.tested:
        raise UserError(
            f"runs: {first.letter} and {other.letter} were tested on other data; "
            "give runs with the same data and split"
        )
    digests = [(first.digest(case), other.digest(case)) for case in shared]
    differ = sum(bool(mine and theirs and mine != theirs) for mine, theirs in digests)
    if differ:
        raise UserError(
            f"runs: {differ} of {len(shared)} test cases that {first.letter} and {other.letter} share by "
            "name have another image or truth; they were tested on other data, and nothing can be paired"
        )
    unchecked = sum(not (mine and theirs) for mine, theirs in digests)
    return Pair(first, other, shared, _subjects(first, other, shared), unchecked, set(first.cases) == known)


def _subjects(first: Arm, other: Arm, shared: Sequence[str]) -> list[int]:
    """Return the number of each case's subject; groups of the two arms that overlap are one."""
    if not shared:
        return []
    columns = [
        np.unique([arm.subject(case) for case in shared], return_inverse=True)[1] for arm in (first, other)
    ]
    size = 1 + int(columns[0].max()), 1 + int(columns[1].max())
    rows, places = columns[0], columns[1] + size[0]
    graph = coo_array((np.ones(len(shared)), (rows, places)), shape=(sum(size), sum(size)))
    numbers = connected_components(graph, directed=False)[1][rows]
    return [int(number) for number in numbers]
