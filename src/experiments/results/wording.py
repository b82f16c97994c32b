"""Names and numbers as a person reads them: of scores, arms and verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ganatomy.experiments.claims.claims import Claim, Side, Verdict
from ganatomy.experiments.spec import Experiment
from ganatomy.metrics.registry import SCORES, Score, describe


def score_kind(experiment: Experiment, name: str) -> Score:
    """Label, direction, decimals of `test/dice/gm`, `baseline/nlm/psnr`, ...; or the label it was given."""
    parts = name.split("/")
    parts = parts[2:] if parts[0] == "baseline" else parts[1:]
    known = describe(parts[0]) if parts else describe(name)
    label = experiment.sheet.labels.get(name) or " ".join([known.title, *parts[1:]])
    return replace(known, label=label, unit="")


def number(value: float, decimals: int, sign: bool = False) -> str:
    """With a real minus; a dash for what is not known."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


UNITS = tuple(sorted({f" {score.unit}" for score in SCORES.values() if score.unit}))
"""Ends of labels that belong to the number."""


def side(experiment: Experiment, which: Side) -> str:
    """The arm's label, or the baseline's."""
    parts = which.score.split("/")
    if parts[0] == "baseline":
        return experiment.sheet.baselines.get(parts[1], parts[1])
    if parts[0] == "floor":
        return experiment.sheet.baselines.get("floor", "real images")
    return experiment.sheet.arms[which.arm].label


def finer(experiment: Experiment, claim: Claim) -> int:
    """Decimals of a difference: one more than the score itself is written with."""
    return score_kind(experiment, claim.left.score).decimals + 1


def word(verdict: Verdict) -> str:
    """The verdict, and what it lacks."""
    if not verdict.estimate.seeds:
        return "not run"
    return verdict.word if verdict.whole else f"{verdict.word}, as seeds are missing"


def finding(experiment: Experiment, verdict: Verdict) -> str:
    """A claim and its outcome as a sentence: the verdict, whose score, beside whom, by how much."""
    claim, found = verdict.claim, verdict.estimate
    label = score_kind(experiment, claim.left.score).label
    unit = next((unit for unit in UNITS if label.endswith(unit)), "")
    ours, theirs = side(experiment, claim.left), side(experiment, claim.right)
    how = {">": "a higher {} than", "<": "a lower {} than", "~": "the same {} as"}[claim.sign]
    how = how.format(label.removesuffix(unit))
    said = f"{word(verdict).capitalize()}: {ours} has {how} {theirs}{margin(claim, unit)}"
    if not found.seeds:
        return said
    decimals = finer(experiment, claim)
    low, high = (number(v, decimals, sign=True) for v in found.interval())
    return f"{said}: {number(found.mean, decimals, sign=True)}{unit} [{low} to {high}]"


def margin(claim: Claim, unit: str = "") -> str:
    """How far apart, or how near, the claim has its sides; nothing where any difference counts."""
    if not claim.margin:
        return ""
    return (
        f", within {claim.margin:g}{unit}"
        if claim.sign == "~"
        else f" ({claim.margin:g}{unit} or more was asked)"
    )


def count(verdicts: Sequence[Verdict]) -> str:
    """How many claims were supported, not supported and undecided."""
    words = [word(verdict).partition(",")[0] for verdict in verdicts]
    kinds = ("supported", "not supported", "undecided", "not run")
    return ", ".join(f"{words.count(kind)} {kind}" for kind in kinds if kind in words) or "no claims"
