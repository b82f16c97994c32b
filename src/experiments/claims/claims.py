"""Claims of a paper as comparisons of two arms, and the verdicts on all claims of an experiment."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ganatomy.errors import UserError
from ganatomy.metrics.differences.statistics import LEVEL, Estimate, holm

SIDE = r"([a-z][a-z0-9_]*)\.([\w/.-]+)"
FORM = re.compile(rf"^\s*{SIDE}\s*([<>~])\s*{SIDE}\s*$")
FEWEST = 3
"""Fewest seeds for a verdict: with two, the variance between seeds has one degree of freedom."""

Word = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Side:
    """A score of an arm's run, by its flat name in metrics.json: `test/dice`, `baseline/bm3d/psnr`."""

    arm: str
    score: str

    def __str__(self) -> str:
        return f"{self.arm}.{self.score}"


@dataclass(frozen=True)
class Claim:
    """`left > right` or `left < right` by at least `margin`, or `left ~ right`: within `margin`."""

    left: Side
    sign: Literal["<", ">", "~"]
    right: Side
    margin: float

    @property
    def arms(self) -> tuple[str, str]:
        return self.left.arm, self.right.arm

    def __str__(self) -> str:
        margin = f" {'within' if self.sign == '~' else 'by'} {self.margin:g}" if self.margin else ""
        return f"{self.left} {self.sign} {self.right}{margin}"


@dataclass(frozen=True)
class Look:
    """Differences of all claims after a number of seeds.

    Attributes:
        differences: Difference of each claim, left less right; None for a claim that is not looked at.
        whole: For each claim, True if every seed was run.
        share: Part of the error that this look may spend; all looks together: at most 1.
        seeds: Seeds of an arm at this look.
    """

    differences: Sequence[Estimate | None]
    whole: Sequence[bool]
    share: float = 1.0
    seeds: int = 0


@dataclass(frozen=True)
class Verdict:
    """Outcome of a claim.

    Attributes:
        claim: The claim.
        estimate: Its difference at the last look at it.
        p: p-value, adjusted for all claims and all looks.
        word: The outcome.
        whole: True if every seed was run.
        level: Level of its interval, which is smaller where there are several looks.
        looks: Seeds at each look at it; empty where results are looked at once, as stated.
    """

    claim: Claim
    estimate: Estimate
    p: float
    word: Word
    whole: bool = True
    level: float = LEVEL
    looks: tuple[int, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """Limits that hold the true difference at every look in at least 95 % of all studies."""
        return self.estimate.interval(self.level)


def parse(text: str, margin: float) -> Claim:
    """Parse a claim such as `segan.test/hd95 < unet.test/hd95`; UserError for another form."""
    found = FORM.match(text)
    if found is None:
        raise UserError(f"{text!r} is no claim; write it as segan.test/hd95 < unet.test/hd95 (or with >, ~)")
    arm, score, sign, other, theirs = found.groups()
    if sign == "~" and not margin:
        raise UserError(f"{text!r} needs a margin; say how near is equal, as within: 0.01")
    left, right = Side(arm, score), Side(other, theirs)
    return Claim(left, sign, right, margin)  # type: ignore[arg-type]  # the form allows these three


def chances(claim: Claim, difference: Estimate) -> tuple[float, float]:
    """Return two-sided p-values for the claim and for its contrary; `difference` is left less right.

    A direction is held against no difference at all; its contrary is to fall
    short of the margin. Likeness is two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15
    (1987) 657).
    """
    if claim.sign == "~":
        within = max(difference.above(-claim.margin), difference.below(claim.margin))
        return within, min(difference.above(claim.margin), difference.below(-claim.margin))
    advantage = difference if claim.sign == ">" else replace(difference, mean=-difference.mean)
    return advantage.above(0.0), advantage.below(claim.margin)


def decide(claims: Sequence[Claim], looks: Sequence[Look]) -> list[Verdict]:
    """Decide on each claim.

    Supported: beyond chance at 5 % for all claims together (Holm), and at least the margin as estimated. Not
    supported: as surely short of the margin, or reversed. Both p-values count both sides, so one of each kind
    errs in at most 2.5 %. Undecided: neither, or seeds are missing.

    A look spends its share of the error (Lan and DeMets, Biometrika 70 (1983) 659), whatever the others
    found: its p-values are divided by the share, and the smallest so far counts (the sequential p-value of
    Liu and Anderson, J. Am. Stat. Assoc. 103 (2008) 1621), in Holm's correction too (Ye et al., Stat. Med. 32
    (2013) 1112). The shares add up to 1, so this holds however the looks depend on each other (Bonferroni).
    A claim that is decided is not looked at again.

    Args:
        claims: Claims of the experiment.
        looks: What each look found, in order; one where the seeds are all stated beforehand.

    Returns:
        A verdict on each claim.
    """
    states = [_State(claim) for claim in claims]
    for look in looks:
        for state, difference, whole in zip(states, look.differences, look.whole, strict=True):
            if difference is not None and state.word == "undecided":
                state.see(difference, whole, look)
        for state, yes, no in zip(states, *_adjusted(states), strict=True):
            if state.word == "undecided":
                state.word = _word(state, yes, no)
    return [state.verdict(min(yes, no)) for state, yes, no in zip(states, *_adjusted(states), strict=True)]


@dataclass
class _State:
    """A claim between two looks."""

    claim: Claim
    estimate: Estimate = field(default_factory=lambda: Estimate(math.nan, (), 0, 0))
    whole: bool = False
    level: float = LEVEL
    looks: tuple[int, ...] = ()
    yes: float = 1.0
    no: float = 1.0
    word: Word = "undecided"

    def see(self, difference: Estimate, whole: bool, look: Look) -> None:
        yes, no = chances(self.claim, difference)
        self.yes, self.no = min(self.yes, yes / look.share), min(self.no, no / look.share)
        self.estimate, self.whole, self.level = difference, whole, LEVEL * look.share
        self.looks += (look.seeds,) if look.seeds else ()

    def verdict(self, p: float) -> Verdict:
        return Verdict(self.claim, self.estimate, p, self.word, self.whole, self.level, self.looks)


def _adjusted(states: Sequence[_State]) -> tuple[list[float], list[float]]:
    """Return the p-values of all claims, and of all contraries, after Holm's correction."""
    return holm([state.yes for state in states]), holm([state.no for state in states])


def _word(state: _State, yes: float, no: float) -> Word:
    if not state.whole or state.estimate.seeds < FEWEST:
        return "undecided"
    if yes <= LEVEL and _large(state.claim, state.estimate):
        return "supported"
    return "not supported" if no <= LEVEL else "undecided"


def _large(claim: Claim, difference: Estimate) -> bool:
    advantage = {">": difference.mean, "<": -difference.mean, "~": claim.margin}[claim.sign]
    return advantage >= claim.margin
