"""Difference of each score with its interval, and the verdict by a rule that is stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ganatomy.compare.pairing import Pair
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.metrics.differences.statistics import LEVEL, Estimate, estimate, holm
from ganatomy.metrics.registry import describe, known

FEWEST = 5
"""Fewest subjects for a verdict: an interval of fewer rests on the shape of the distribution alone."""
RULES = (
    "Difference: left less right, the mean over the test cases that both have; a case's score is first "
    "averaged over the runs of an arm. Interval: 95 %, for other subjects; cases of a subject stay together; "
    "it says nothing of other seeds. p: two-sided (Student's t over subjects), corrected for all scores and "
    "pairs here (Holm). A better, B better: p ≤ 0.05, in the direction that is better. Undecided: fewer than "
    f"{FEWEST} subjects, or a difference that would count alone but not among so many scores. No difference "
    "found: neither; how large one may still be, the interval says."
)
ALL = "all"


@dataclass(frozen=True)
class Outcome:
    """Comparison of one score.

    Attributes:
        pair: The two arms.
        score: Part of its flat name, such as dice or dice/gm.
        means: Means of both arms over the paired cases; of the whole test set without cases.
        estimate: Difference with its error; None where nothing can be paired.
        p: Two-sided p-value for this score alone, and corrected for all.
        cases: Paired cases with a value in both arms.
        missing: Shared cases without a value in the first arm, and in the other one.
        verdict: Words.
        reason: Why there is no interval; empty if there is one.
    """

    pair: Pair
    score: str
    means: tuple[float, float]
    estimate: Estimate | None
    p: tuple[float, float]
    cases: int
    missing: tuple[int, int]
    verdict: str
    reason: str = ""

    @property
    def sign(self) -> int:
        """Return 1 if higher is better, -1 if lower is, 0 if neither is."""
        return describe(self.score.split("/")[0]).sign

    @property
    def difference(self) -> float:
        return self.means[0] - self.means[1] if self.estimate is None else self.estimate.mean

    @property
    def interval(self) -> tuple[float, float]:
        return (math.nan, math.nan) if self.estimate is None else self.estimate.interval()


def outcomes(pairs: Sequence[Pair], wanted: Sequence[str] | str | None) -> list[Outcome]:
    """Compare every score of every pair.

    Args:
        pairs: Arms that are compared.
        wanted: Names of scores, or `all`; None: means over classes, without those of single classes.

    Raises:
        UserError: A wanted score is in no run.
    """
    found = [_outcome(pair, name) for pair in pairs for name in chosen(pair, wanted)]
    tested = [place for place, one in enumerate(found) if one.estimate is not None and one.estimate.parts]
    corrected = holm([found[place].p[0] for place in tested])
    for place, p in zip(tested, corrected, strict=True):
        one = replace(found[place], p=(found[place].p[0], p))
        found[place] = replace(one, verdict=verdict(one))
    return found


def chosen(pair: Pair, wanted: Sequence[str] | str | None) -> list[str]:
    """Return the names of the scores to compare, those of cases first."""
    arms = (pair.first, pair.other)
    per_case = [name for name in pair.first.scores if name in set(pair.other.scores)]
    sets = [
        {name[5:] for run in arm.runs for name in run.metrics if name.startswith("test/")} for arm in arms
    ]
    order = list(known())
    whole = sorted(
        (sets[0] & sets[1]) - set(per_case), key=lambda n: (n != pair.first.monitor, _rank(n, order), n)
    )
    names = [*per_case, *(name for name in whole if not describe(name.split("/")[0]).counts)]
    if wanted == ALL:
        return names
    if wanted is None:
        plain = [name for name in names if "/" not in name or name == pair.first.monitor]
        bases = {name.split("/")[0] for name in plain}
        return plain + [name for name in names if name.split("/")[0] not in bases]
    for name in wanted:
        if name not in names:
            raise UserError(f"scores: {name} is not in both runs{nearest(name, names)}")
    return list(wanted)


def _rank(name: str, order: Sequence[str]) -> int:
    base = name.split("/")[0]
    return order.index(base) if base in order else len(order)


def _outcome(pair: Pair, name: str) -> Outcome:
    in_both = name in set(pair.first.scores) & set(pair.other.scores)
    if not in_both or not pair.shared:
        means = pair.first.whole(name), pair.other.whole(name)
        reason = "a score of the whole test set: there are no cases to pair"
        reason += "" if pair.same_set else "; and the test sets differ"
        return Outcome(pair, name, means, None, (math.nan, math.nan), 0, (0, 0), "–", reason)
    table = np.array([[arm.score(case, name) for case in pair.shared] for arm in (pair.first, pair.other)])
    absent = ~np.isfinite(table)
    there = ~absent.any(0)
    missing = int(absent[0].sum()), int(absent[1].sum())
    if not there.any():
        reason = "no case has a value in both"
        return Outcome(pair, name, (math.nan, math.nan), None, (math.nan, math.nan), 0, missing, "–", reason)
    known_pairs = table[:, there]
    subjects = np.array(pair.subjects)[there]
    found = estimate((known_pairs[0] - known_pairs[1])[None], subjects.tolist())
    p = min(found.above(0.0), found.below(0.0))
    means = float(known_pairs[0].mean()), float(known_pairs[1].mean())
    one = Outcome(pair, name, means, found, (p, p), int(there.sum()), missing, "undecided")
    return one if found.parts else replace(one, reason="one subject: nothing to estimate an error from")


def verdict(one: Outcome) -> str:
    """Return the verdict on a score whose p-value is corrected."""
    if one.estimate is None or one.estimate.subjects < FEWEST:
        return "undecided"
    alone, corrected = one.p
    if corrected > LEVEL:
        return "undecided" if alone <= LEVEL else "no difference found"
    higher, lower = one.pair.first.letter, one.pair.other.letter
    if one.estimate.mean < 0:
        higher, lower = lower, higher
    if one.sign:
        return f"{higher if one.sign > 0 else lower} better"
    return f"{higher} higher"
