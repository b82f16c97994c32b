"""Seeds and minutes that each claim of an experiment would take, judged by the runs that are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganatomy.experiments.claims.claims import Claim, Word
from ganatomy.experiments.claims.verdicts import common, difference, verdicts
from ganatomy.experiments.deciding.power import MOST, WANTED, Spread, power, seeds_for
from ganatomy.experiments.looks import GROWTH, POWER
from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.spec import Experiment
from ganatomy.experiments.store import Key, Result
from ganatomy.metrics.differences.statistics import LEVEL, Estimate

TEN = 10
"""Seeds for which the smallest difference that would be found is told."""


@dataclass(frozen=True)
class Forecast:
    """What a claim would take, if the difference and its spread are as observed.

    Attributes:
        claim: The claim.
        now: Its difference so far.
        decided: True if its verdict has fallen.
        word: The verdict to which the difference leads; the one that fell, if it has.
        seeds: Seeds for it at the first step of Holm's correction; infinity where no number will do.
        alone: Seeds if it were the only claim.
        capped: `max_seeds` for it, as looks at fewer seeds spend some of the error.
        equal: Of a claim with ~: seeds if there is no difference at all; None of others.
        found: Smallest difference that ten seeds find; of a claim with ~ the largest that they call equal;
            None where there is none.
        arms: Arms to train for it, with those whose weights they read.
    """

    claim: Claim
    now: Estimate
    decided: bool
    word: Word
    seeds: float
    alone: float
    capped: float
    equal: float | None
    found: float | None
    arms: tuple[str, ...]

    @property
    def spread(self) -> Spread | None:
        return Spread.of(self.now)

    @property
    def countable(self) -> bool:
        """True if it is undecided and a number of seeds up to `MOST` would decide it."""
        return not self.decided and self.seeds <= MOST


def forecasts(
    experiment: Experiment, planned: Iterable[PlannedRun], kept: Mapping[Key, Result]
) -> list[Forecast]:
    """Return what each claim would take.

    Args:
        experiment: The experiment at one scale.
        planned: Its runs.
        kept: Those that are kept.
    """
    needs = {run.arm: (run.arm, *(other.arm for other in run.needs)) for run in planned}
    found = []
    for verdict in verdicts(experiment, kept):
        claim = verdict.claim
        now = difference(claim, kept, common(claim, kept, experiment.seeds))
        arms = tuple(dict.fromkeys(arm for side in claim.arms for arm in needs[side]))
        decided = verdict.word != "undecided"
        word = verdict.word if decided else _leads_to(claim, now.mean)
        found.append(_forecast(claim, now, decided, word, LEVEL / len(experiment.claims), arms))
    return found


def _forecast(
    claim: Claim, now: Estimate, decided: bool, word: Word, first: float, arms: tuple[str, ...]
) -> Forecast:
    spread = Spread.of(now)
    if spread is None or decided:
        return Forecast(claim, now, decided, word, math.nan, math.nan, math.nan, None, None, arms)
    last = first * (1 - GROWTH**-POWER)  # what is left for the last look
    seeds, alone, capped = (seeds_for(claim, word, now.mean, spread, level) for level in (first, LEVEL, last))
    equal = seeds_for(claim, "supported", 0.0, spread, first) if claim.sign == "~" else None
    return Forecast(
        claim, now, decided, word, seeds, alone, capped, equal, _found(claim, spread, first), arms
    )


def _leads_to(claim: Claim, mean: float) -> Word:
    """Return the verdict that a true difference of this size deserves."""
    if claim.sign == "~":
        return "supported" if abs(mean) <= claim.margin else "not supported"
    advantage = mean if claim.sign == ">" else -mean
    return "supported" if advantage > 0 and advantage >= claim.margin else "not supported"


def _found(claim: Claim, spread: Spread, level: float) -> float | None:
    """Return the smallest advantage that ten seeds find, or the largest difference they call equal."""
    sign = -1 if claim.sign == "<" else 1

    def supported(size: float) -> bool:
        return power(claim, spread.estimate(sign * size, TEN), level)["supported"] >= WANTED

    if claim.sign == "~":
        low, high = 0.0, claim.margin
        if not supported(low):
            return None
    else:
        low, high = 0.0, max(spread.estimate(0.0, TEN).error, claim.margin, 1e-12)
        while not supported(high):
            low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if supported(middle) == (claim.sign == "~") else (low, middle)
    return high


def clocks(kept: Iterable[Result]) -> dict[str, float]:
    """Return the minutes of each arm's quickest run: the others may have waited for other work."""
    found: dict[str, float] = {}
    for result in kept:
        if result.line["seconds"]:
            arm, minutes = result.line["arm"], float(result.line["seconds"]) / 60
            found[arm] = min(found.get(arm, math.inf), minutes)
    return found


@dataclass(frozen=True)
class Bill:
    """Minutes of one thread for further runs.

    Attributes:
        minutes: Minutes of a run of each arm.
        have: Seeds that each arm has.
    """

    minutes: Mapping[str, float]
    have: Mapping[str, int]

    @classmethod
    def of(cls, experiment: Experiment, kept: Mapping[Key, Result]) -> Bill:
        """Read the bill from the kept runs."""
        have = {arm: sum(key[0] == arm for key in kept) for arm in experiment.spec.arms}
        return cls(clocks(kept.values()), have)

    def total(self, wanted: Sequence[tuple[Forecast, float]]) -> float:
        """Return the minutes to bring the arms of each forecast to its number of seeds; NaN if unmeasured."""
        upto: dict[str, float] = {}
        for each, seeds in wanted:
            upto |= {arm: max(seeds, upto.get(arm, 0)) for arm in each.arms}
        return sum(
            (max(seeds - self.have[arm], 0) * self.minutes.get(arm, math.nan) for arm, seeds in upto.items()),
            start=0.0,
        )


def affordable(
    found: Sequence[Forecast], bill: Bill, minutes: float
) -> tuple[list[Forecast], list[Forecast]]:
    """Return the claims that can be decided in this time, the cheapest first, and the countable others.

    Args:
        found: Forecasts of all claims.
        bill: Minutes of further runs; runs that two claims share count once.
        minutes: Minutes of one thread.
    """
    chosen: list[Forecast] = []

    def with_one(each: Forecast) -> float:
        return bill.total([(one, one.seeds) for one in (*chosen, each)])

    left = [each for each in found if each.countable and math.isfinite(with_one(each))]
    while left:
        best = min(left, key=with_one)
        if not with_one(best) <= minutes:
            break
        left.remove(best)
        chosen.append(best)
    return chosen, left
