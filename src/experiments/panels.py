"""Scores of all arms, a panel each: seeds as dots, the mean with its interval, baselines as lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.experiments.sheet import Experiment, beside
from src.experiments.statistics import estimate
from src.experiments.store import Key, Result
from src.experiments.table import with_baseline
from src.experiments.words import score_kind
from src.pictures.figures import FAINT, INK, LINES

MOST = 4
"""Panels of one figure: the first scores."""
WIDE = 9.6
"""Inches."""
Spread = tuple[float, float, float, list[float]]


def spread(results: Sequence[Result], score: str) -> Spread | None:
    """(mean, low, high, values) of a score over seeds; None where no run has it."""
    values = [value for value in (result.score(score) for result in results) if not math.isnan(value)]
    if not values:
        return None
    found = estimate(np.array(values))
    return (found.mean, *found.interval(), values)


def panels(experiment: Experiment, results: Mapping[Key, Result]) -> Figure:
    """One a score, the first `MOST`; a row an arm."""
    scores, arms = experiment.sheet.scores[:MOST], list(experiment.sheet.arms)
    drawn = Figure(figsize=(WIDE, 0.75 + 0.34 * len(arms)), layout="constrained")
    axes = drawn.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for axis, score in zip(axes, scores, strict=True):
        for row, arm in enumerate(arms):
            found = spread(of_arm(experiment, results, arm), score)
            if found:
                _bar(axis, row, found, LINES[(6, 5, 2, 3, 1, 0)[row % 6]])
        for baseline, label in experiment.sheet.baselines.items():
            found = spread(with_baseline(experiment, results, baseline), beside(score, baseline))
            if found:
                axis.axvline(found[0], color=FAINT, ls="--", lw=0.9, zorder=0)
                axis.text(
                    found[0], -0.62, f" {label}", fontsize=6.5, color=FAINT, rotation=90, va="top", ha="right"
                )
        tidy(axis, score_kind(experiment, score).heading)
        axis.grid(axis="x", color="#eceff1", lw=0.8)
        axis.tick_params(axis="y", labelcolor=INK, length=0, labelsize=9)
    axes[0].set_yticks(
        range(len(arms)), ["\n".join(textwrap.wrap(experiment.sheet.arms[arm].label, 30)) for arm in arms]
    )
    axes[0].set_ylim(len(arms) - 0.5, -0.6)
    return drawn


def _bar(axis: Axes, row: int, found: Spread, colour: str) -> None:
    mean, low, high, values = found
    if (
        low < high
    ):  # an interval wider than the axis would hide the differences: it is cut at the panel's edge
        axis.plot(
            [low, high], [row, row], color=colour, lw=5, alpha=0.28, solid_capstyle="butt", scalex=False
        )
    axis.plot([mean, mean], [row - 0.2, row + 0.2], color=colour, lw=2)
    shift = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
    axis.plot(values, row + np.array(shift), "o", color=colour, ms=4, mew=0, alpha=0.9)


def of_arm(experiment: Experiment, results: Mapping[Key, Result], arm: str) -> list[Result]:
    """The arm's runs, by seed."""
    return [results[arm, seed] for seed in experiment.sheet.seeds if (arm, seed) in results]


def tidy(axis: Axes, heading: str) -> None:
    """Title on the left, and as little else as is needed."""
    axis.set_title(heading, loc="left", fontsize=9.5, color=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#dadce0")
    axis.tick_params(labelsize=8, colors=FAINT, length=3)
    axis.set_axisbelow(True)
