"""Lines on the arms of a comparison that are not ahead of a baseline or of their twin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ganatomy.compare.arms import Arm
from ganatomy.compare.differing import differing
from ganatomy.compare.pairing import Pair
from ganatomy.compare.verdicts import Outcome
from ganatomy.metrics.differences.behind import FEWEST, RUN, TWIN, Behind, rated_by, standing
from ganatomy.text.names import printable

ALIKE = ("task", "data", "degradation", "model.generator", "trainer.max_steps")
"""Keys and sections that a run and its twin without discriminator share."""


def behind_lines(
    arms: Sequence[Arm], pairs: Sequence[Pair], outcomes: Sequence[Outcome], unit: str
) -> list[str]:
    """Return a line for each arm that is not ahead of a baseline, and for each GAN not ahead of its twin.

    Args:
        arms: All arms.
        pairs: Pairs of arms.
        outcomes: Comparisons of all pairs.
        unit: Unit of distances, mm or px.
    """
    lines = []
    for arm in arms:
        metrics = _means(arm)
        for one in standing(metrics, rated_by(metrics, arm.monitor)):
            lines.append(f"{arm.letter} is {replace(one, runs=len(arm.runs)).words(unit)}")
    for pair in pairs:
        found, letter = _of_twin(pair, [each for each in outcomes if each.pair is pair])
        if found is not None:
            lines.append(f"{letter} is {found.words(unit)}")
    return [printable(line) for line in lines]


def _means(arm: Arm) -> dict[str, float]:
    """Return the mean over the runs of an arm of each score that all of them have."""
    names = set(arm.runs[0].metrics).intersection(*(run.metrics for run in arm.runs[1:]))
    return {name: math.fsum(run.metrics[name] for run in arm.runs) / len(arm.runs) for name in names}


def _of_twin(pair: Pair, outcomes: Sequence[Outcome]) -> tuple[Behind | None, str]:
    """Return how a GAN stands to its twin, if the pair is one and it is not ahead, and its letter."""
    arms = pair.first, pair.other
    alone = [(arm.runs[0].config.get("model") or {}).get("discriminator") is None for arm in arms]
    if alone[0] == alone[1] or any(
        f"{key}.".startswith(f"{part}.") for key, _ in differing(arms) for part in ALIKE
    ):
        return None, ""
    gan, flip = (pair.other, -1.0) if alone[0] else (pair.first, 1.0)
    score = rated_by(_means(gan), gan.monitor)
    found = next((one for one in outcomes if one.score == score), None)
    if found is None or not found.sign or not flip * found.sign * found.difference <= 0:
        return None, ""
    means = found.means[::-1] if alone[0] else found.means
    one = Behind(RUN, TWIN, score, *means, level=found.difference == 0, runs=len(gan.runs))
    if found.estimate is None or found.estimate.subjects < FEWEST:
        return replace(one, subjects=found.estimate.subjects if found.estimate else 0), gan.letter
    low, high = sorted(flip * end for end in found.interval)
    level = low <= 0 <= high
    return replace(one, low=low, high=high, subjects=found.estimate.subjects, level=level), gan.letter
