"""Lines on the arms of a comparison that are not ahead of a baseline or of their twin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ganatomy.compare.arms import Arm
from ganatomy.compare.pairing import Pair
from ganatomy.compare.verdicts import Outcome
from ganatomy.metrics.differences.behind import FEWEST, RUN, TWIN, Behind, rated_by, standing
from ganatomy.text.names import printable

ALIKE = (("task",), ("data",), ("degradation",), ("model", "generator"), ("trainer", "max_steps"))
"""Parts of the configuration that a run and its twin without discriminator share."""


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
    ours, theirs = (arm.runs[0].config for arm in (pair.first, pair.other))
    alone = [_part(config, ("model", "discriminator")) is None for config in (ours, theirs)]
    if alone[0] == alone[1] or any(_part(ours, path) != _part(theirs, path) for path in ALIKE):
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


def _part(config: Mapping[str, Any], path: Sequence[str]) -> Any:
    node: Any = config
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node
