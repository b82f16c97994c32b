"""Verdicts from kept runs: which differences are paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import Claim, Look, Side, Verdict, decide
from ganatomy.experiments.spec import Experiment
from ganatomy.experiments.store import Key, Result
from ganatomy.metrics.differences.statistics import Estimate, estimate


def verdicts(experiment: Experiment, results: Mapping[Key, Result]) -> list[Verdict]:
    """Return a verdict on each claim, from the seeds that both of its arms have."""
    if experiment.looks is None:
        return decide(experiment.claims, [_look(experiment, results, experiment.spec.seeds)])
    looks = []
    for seeds, share in zip(experiment.looks.made, experiment.looks.shares(), strict=True):
        look = _look(experiment, results, experiment.seeds[:seeds])
        found = [each if whole else None for each, whole in zip(look.differences, look.whole, strict=True)]
        looks.append(replace(look, differences=found, share=share, seeds=seeds))
    return decide(experiment.claims, looks)


def _look(experiment: Experiment, results: Mapping[Key, Result], wanted: Sequence[int]) -> Look:
    """Return each claim's difference over those of the seeds that both of its arms have."""
    differences, whole = [], []
    for claim in experiment.claims:
        seeds = common(claim, results, wanted)
        differences.append(difference(claim, results, seeds))
        whole.append(len(seeds) == len(wanted))
    return Look(differences, whole)


def common(claim: Claim, results: Mapping[Key, Result], seeds: Sequence[int]) -> list[int]:
    """Return those of the seeds that both arms of a claim have."""
    return [seed for seed in seeds if all((arm, seed) in results for arm in claim.arms)]


def difference(claim: Claim, results: Mapping[Key, Result], seeds: Sequence[int]) -> Estimate:
    """Estimate left less right, paired by seed, and by test case where both sides have scores of cases.

    Args:
        claim: The claim.
        results: Kept runs by arm and seed.
        seeds: Seeds that both arms have.

    Returns:
        The difference with its error.

    Raises:
        UserError: The arms were not tested on the same subjects, so that nothing is paired.
    """
    if not seeds:
        return Estimate(np.nan, (), 0, 0)
    left, right = ([results[side.arm, seed] for seed in seeds] for side in (claim.left, claim.right))
    if len({result.line["test"] for result in [*left, *right]}) > 1:
        raise UserError(f"claims: {claim}: its arms were tested on other subjects; give them the same split")
    ours, theirs = _table(claim.left, left), _table(claim.right, right)
    if ours is None or theirs is None or ours.shape != theirs.shape:
        score = [
            [r.score(side.score) for r in found] for side, found in ((claim.left, left), (claim.right, right))
        ]
        return estimate(np.subtract(*np.array(score)))
    gap = ours - theirs
    known = np.isfinite(gap).all(0)
    if not known.any():
        return Estimate(np.nan, (), len(seeds), 0)
    subjects = np.array([case["subject"] for case in left[0].cases])
    return estimate(gap[:, known], subjects[known].astype(int).tolist())


def _table(side: Side, results: Sequence[Result]) -> np.ndarray | None:
    """Return a score as [seeds, cases]; None where it exists only for the whole test set."""
    rows = [[case.get(side.score) for case in result.cases] for result in results]
    if len({len(row) for row in rows}) > 1 or not rows[0] or any(v is None for row in rows for v in row):
        return None
    return np.array(rows, np.float64)
