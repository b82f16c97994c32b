"""Claims of a paper as comparisons of two arms, and the verdicts on all claims of an experiment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    def __str__(self) -> str:
        margin = f" {'within' if self.sign == '~' else 'by'} {self.margin:g}" if self.margin else ""
        return f"{self.left} {self.sign} {self.right}{margin}"


@dataclass(frozen=True)
class Verdict:
    """Outcome of a claim; `p` is adjusted for all claims, `whole` says that every seed was run."""

    claim: Claim
    estimate: Estimate
    p: float
    word: Word
    whole: bool = True


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


def decide(claims: Sequence[Claim], differences: Sequence[Estimate], whole: Sequence[bool]) -> list[Verdict]:
    """Decide on each claim.

    Supported: beyond chance at 5 % for all claims together (Holm), and at least the margin as estimated. Not
    supported: as surely short of the margin, or reversed. Both p-values count both sides, so one of each kind
    errs in at most 2.5 %. Undecided: neither, or seeds are missing.

    Args:
        claims: Claims of the experiment.
        differences: Difference of each claim, left less right.
        whole: For each claim, True if every seed was run.

    Returns:
        A verdict on each claim.
    """
    tests = [chances(claim, difference) for claim, difference in zip(claims, differences, strict=True)]
    for_claim, against = (holm(values) for values in zip(*tests, strict=True)) if tests else ([], [])
    verdicts = []
    for claim, difference, yes, no, all_there in zip(
        claims, differences, for_claim, against, whole, strict=True
    ):
        word: Word = "undecided"
        if all_there and difference.seeds >= FEWEST:
            if yes <= LEVEL and _large(claim, difference):
                word = "supported"
            elif no <= LEVEL:
                word = "not supported"
        verdicts.append(Verdict(claim, difference, min(yes, no), word, all_there))
    return verdicts


def _large(claim: Claim, difference: Estimate) -> bool:
    advantage = {">": difference.mean, "<": -difference.mean, "~": claim.margin}[claim.sign]
    return advantage >= claim.margin
