"""Readable names and numbers of scores, arms and verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ganatomy.experiments.claims.claims import Claim, Side, Verdict
from ganatomy.experiments.spec import Experiment
from ganatomy.metrics.registry import SCORES, Score, describe


def score_kind(experiment: Experiment, name: str) -> Score:
    """Describe a score by its flat name, such as `test/dice/gm` or `baseline/nlm/psnr`."""
    parts = name.split("/")
    parts = parts[2:] if parts[0] == "baseline" else parts[1:]
    known = describe(parts[0]) if parts else describe(name)
    label = experiment.spec.labels.get(name) or " ".join([known.title, *parts[1:]])
    return replace(known, label=label, unit="")


def number(value: float, decimals: int, sign: bool = False) -> str:
    """Format a number.

    Args:
        value: The number; NaN gives a dash.
        decimals: Digits after the point.
        sign: Write a plus too.
    """
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


UNITS = tuple(sorted({f" {score.unit}" for score in SCORES.values() if score.unit}))
"""Units that a label may end with."""


def side(experiment: Experiment, which: Side) -> str:
    """Return the label of the arm or baseline."""
    parts = which.score.split("/")
    if parts[0] == "baseline":
        return experiment.spec.baselines.get(parts[1], parts[1])
    if parts[0] == "floor":
        return experiment.spec.baselines.get("floor", "real images")
    return experiment.spec.arms[which.arm].label


def finer(experiment: Experiment, claim: Claim) -> int:
    """Return the decimals of a difference: one more than those of the score."""
    return score_kind(experiment, claim.left.score).decimals + 1


def word(verdict: Verdict) -> str:
    """Return the verdict in words; it says so where seeds are missing."""
    if not verdict.estimate.seeds:
        return "not run"
    return verdict.word if verdict.whole else f"{verdict.word}, as seeds are missing"


def finding(experiment: Experiment, verdict: Verdict) -> str:
    """Return a claim and its outcome as a sentence, with the difference and its interval."""
    claim, found = verdict.claim, verdict.estimate
    label = score_kind(experiment, claim.left.score).label
    unit = next((unit for unit in UNITS if label.endswith(unit)), "")
    ours, theirs = side(experiment, claim.left), side(experiment, claim.right)
    how = {">": "a higher {} than", "<": "a lower {} than", "~": "the same {} as"}[claim.sign]
    how = how.format(label.removesuffix(unit))
    sentence = f"{word(verdict).capitalize()}: {ours} has {how} {theirs}{margin(claim, unit)}"
    if not found.seeds:
        return sentence
    decimals = finer(experiment, claim)
    low, high = (number(v, decimals, sign=True) for v in verdict.interval)
    return f"{sentence}: {number(found.mean, decimals, sign=True)}{unit} [{low} to {high}]"


def margin(claim: Claim, unit: str = "") -> str:
    """Return the margin of a claim in words; empty where any difference counts."""
    if not claim.margin:
        return ""
    return (
        f", within {claim.margin:g}{unit}"
        if claim.sign == "~"
        else f" ({claim.margin:g}{unit} or more was asked)"
    )


def count(verdicts: Sequence[Verdict]) -> str:
    """Count the claims that are supported, not supported, undecided and not run."""
    words = [word(verdict).partition(",")[0] for verdict in verdicts]
    kinds = ("supported", "not supported", "undecided", "not run")
    return ", ".join(f"{words.count(kind)} {kind}" for kind in kinds if kind in words) or "no claims"
