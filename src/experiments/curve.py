"""One score against another, as the perception-distortion plane (Blau and Michaeli, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from src.experiments.panels import WIDE, of_arm, spread, tidy
from src.experiments.sheet import Experiment, beside
from src.experiments.store import Key, Result
from src.experiments.table import with_baseline
from src.experiments.words import score_kind
from src.pictures.figures import FAINT, INK, LINES


def curve(experiment: Experiment, results: Mapping[Key, Result]) -> Figure:
    """Each arm at its two scores, seeds as faint dots, and a line through those of `figure.arms`."""
    sheet = experiment.sheet
    assert sheet.figure is not None
    across, up = sheet.figure.curve
    drawn = Figure(figsize=(WIDE, 4.2), layout="constrained")
    axis = drawn.subplots()
    line = []
    for row, arm in enumerate(sheet.arms):
        own = of_arm(experiment, results, arm)
        x, y = spread(own, across), spread(own, up)
        if x is None or y is None:
            continue
        colour = LINES[6] if arm in sheet.figure.arms else LINES[5]
        axis.plot(x[3], y[3], "o", color=colour, ms=4, alpha=0.55, mew=0)
        axis.plot([x[0]], [y[0]], "o", color=colour, ms=8, mec="white")
        above = 1 if row % 2 else -1
        axis.annotate(
            sheet.arms[arm].label,
            (x[0], y[0]),
            (8, 8 * above),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            va="bottom" if above > 0 else "top",
        )
        if arm in sheet.figure.arms:
            line.append((sheet.figure.arms.index(arm), x[0], y[0]))
    if line:
        axis.plot(
            [x for _, x, _ in sorted(line)], [y for _, _, y in sorted(line)], color=LINES[6], lw=1.4, zorder=1
        )
    for baseline, label in sheet.baselines.items():
        own = with_baseline(experiment, results, baseline)
        x, y = spread(own, beside(across, baseline)), spread(own, beside(up, baseline))
        if x and y:
            axis.plot([x[0]], [y[0]], "x", color=FAINT, ms=6)
            axis.annotate(label, (x[0], y[0]), (6, 3), textcoords="offset points", fontsize=8, color=FAINT)
    tidy(axis, "")
    axis.grid(color="#eceff1", lw=0.8)
    axis.set_xlabel(score_kind(experiment, across).heading, fontsize=9, color=INK)
    axis.set_ylabel(score_kind(experiment, up).heading, fontsize=9, color=INK)
    axis.margins(0.12)
    return drawn
