"""Panels of scores: seeds as dots, the mean with its interval, baselines as lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganatomy.experiments.results.table import baseline_rows
from ganatomy.experiments.results.wording import score_kind
from ganatomy.experiments.spec import Experiment, baseline_score
from ganatomy.experiments.store import Key, Result
from ganatomy.metrics.differences.statistics import estimate
from ganatomy.pictures.figures import FAINT, INK, LINES

MOST = 4
"""Panels of a figure, for the first scores."""
WIDE = 9.6
"""Width in inches."""
Spread = tuple[float, float, float, list[float]]


def spread(results: Sequence[Result], score: str) -> Spread | None:
    """Return (mean, low, high, values) of a score over seeds; None where no run has it."""
    values = [value for value in (result.score(score) for result in results) if not math.isnan(value)]
    if not values:
        return None
    found = estimate(np.array(values))
    return (found.mean, *found.interval(), values)


def panels(experiment: Experiment, results: Mapping[Key, Result]) -> Figure:
    """Draw a panel for each of the first `MOST` scores, a row for each arm and, in grey, each baseline."""
    spec = experiment.spec
    scores, labels = spec.scores[:MOST], [arm.label for arm in spec.arms.values()]
    grey = baseline_rows(experiment, results)
    drawn = Figure(figsize=(WIDE, 0.95 + 0.34 * (len(labels) + len(grey))), layout="constrained")
    axes = drawn.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for axis, score in zip(axes, scores, strict=True):
        for row, arm in enumerate(spec.arms):
            found = spread(of_arm(experiment, results, arm), score)
            if found:
                _bar(axis, row, found, LINES[(6, 5, 2, 3, 1, 0)[row % 6]])
        low, high = roomy(axis.get_xlim())
        for row, (_, baseline, own) in enumerate(grey, start=len(labels)):
            found = spread(own, baseline_score(score, baseline))
            if found and low <= found[0] <= high:
                axis.plot([found[0]] * 2, [row - 0.25, row + 0.25], color=FAINT, lw=2)
            elif found:
                _afar(axis, row, found[0] < low, f"{found[0]:.{score_kind(experiment, score).decimals}f}")
        tidy(axis, "\n".join(textwrap.wrap(score_kind(experiment, score).heading, 22)))
        axis.grid(axis="x", color="#eceff1", lw=0.8)
        axis.tick_params(axis="y", labelcolor=INK, length=0, labelsize=9)
    names = ["\n".join(textwrap.wrap(name, 30)) for name in (*labels, *(label for label, _, _ in grey))]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    return drawn


def roomy(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits within which a baseline is drawn to scale; farther off it would squeeze the arms."""
    wide = limits[1] - limits[0]
    return limits[0] - wide, limits[1] + wide


def _afar(axis: Axes, row: int, left: bool, text: str) -> None:
    """Write a number at the edge that it lies beyond."""
    place, side, label = (0.02, "left", f"← {text}") if left else (0.98, "right", f"{text} →")
    across = axis.get_yaxis_transform()
    axis.text(place, row, label, transform=across, ha=side, va="center", fontsize=8, color=FAINT)


def _bar(axis: Axes, row: int, found: Spread, colour: str) -> None:
    mean, low, high, values = found
    if low < high:
        axis.plot([low, high], [row, row], color=colour, lw=5, alpha=0.28, solid_capstyle="butt")
    axis.plot([mean, mean], [row - 0.2, row + 0.2], color=colour, lw=2)
    shift = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
    axis.plot(values, row + np.array(shift), "o", color=colour, ms=4, mew=0, alpha=0.9)


def of_arm(experiment: Experiment, results: Mapping[Key, Result], arm: str) -> list[Result]:
    """Return the runs of an arm in the order of seeds."""
    return [results[arm, seed] for seed in experiment.seeds if (arm, seed) in results]


def tidy(axis: Axes, heading: str) -> None:
    """Title on the left, and as little else as is needed."""
    axis.set_title(heading, loc="left", fontsize=9.5, color=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#dadce0")
    axis.tick_params(labelsize=8, colors=FAINT, length=3)
    axis.xaxis.set_major_locator(MaxNLocator(5))  # more would run into each other
    axis.set_axisbelow(True)
