"""Figures of a run, drawn from the rows of metrics.csv and scores.csv."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganatomy.metrics.registry import describe, known
from ganatomy.pictures.draw import OKABE_ITO

if TYPE_CHECKING:  # these need torch, which a table or a report does without
    from ganatomy.metrics.calibration.reliability import Reliability
    from ganatomy.metrics.calibration.risk_coverage import RiskCoverage

Row = Mapping[str, str | float]

LINES = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in OKABE_ITO]
INK, FAINT = "#202124", "#80868b"

Line = tuple[np.ndarray, np.ndarray]
"""Steps and the values logged at them."""


def history(rows: Sequence[Row], split: str = "val") -> bytes | None:
    """Plot the losses of both players and a score of `split` over the steps.

    Args:
        rows: One mapping per step: `step` and flat names; a value that is missing or empty was not logged.
        split: Split of the score.

    Returns:
        PNG file, or None without a value.
    """
    groups = curves(rows, split)
    if not groups:
        return None
    figure = Figure(figsize=(3.35 * len(groups), 2.9), layout="constrained")
    axes = figure.subplots(1, len(groups), squeeze=False, sharex=True)[0]
    for axis, (title, lines) in zip(axes, groups.items(), strict=True):
        for index, (name, (steps, values)) in enumerate(lines.items()):
            main = name in ("total", "mean")
            colour = INK if main else LINES[index % len(LINES)]
            marker = "o" if len(steps) < 12 else None
            width, text = 2 if main else 1.3, literal(name)
            axis.plot(steps, values, colour, label=text, lw=width, marker=marker, ms=3.5)
        style_axis(axis, title, "step")
        if len(lines) > 1:
            axis.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.4)
    return figure_png(figure)


def cases(rows: Sequence[Row], score: str) -> bytes | None:
    """Plot a score as one dot per case and class, with the median of each class as a bar.

    Args:
        rows: One mapping per case: flat names without the split, such as `dice/gm`.
        score: Name of the score.

    Returns:
        PNG file without names of cases, or None without a value.
    """
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(f"{score}/"))
    groups = {name.split("/", 1)[1]: _numbers([row.get(name) for row in rows]) for name in names}
    groups = {name: values[np.isfinite(values)] for name, values in groups.items()}
    groups = {name: values for name, values in groups.items() if values.size}
    if not groups:
        return None
    figure = Figure(figsize=(1.3 + 0.8 * len(groups), 2.9), layout="constrained")
    axis = figure.subplots()
    for index, values in enumerate(groups.values()):
        spread = 0.3 * (np.random.default_rng(0).random(values.size) - 0.5) if values.size > 1 else 0
        axis.plot(index + spread, values, "o", color=LINES[index % len(LINES)], ms=5, alpha=0.75, mew=0)
        if values.size > 1:
            axis.plot([index - 0.27, index + 0.27], [np.median(values)] * 2, color=INK, lw=1.6)
    style_axis(axis, f"{describe(score).title} per test case", "")
    axis.set_xticks(range(len(groups)), list(map(literal, groups)))
    axis.set_xlim(-0.6, len(groups) - 0.4)
    return figure_png(figure)


def reliability_diagram(curves: Mapping[str, Reliability]) -> bytes | None:
    """Plot how often what had a probability came true, above the share of probabilities in each bin.

    Args:
        curves: Reliability by what it is of, such as "all pixels" and "foreground in question". Empty
            bins are left out.

    Returns:
        PNG file, or None without a probability.
    """
    there = {name: curve for name, curve in curves.items() if curve.count.any()}
    if not there:
        return None
    figure = Figure(figsize=(3.6, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--", label="calibrated")
    for index, (name, curve) in enumerate(there.items()):
        kept, colour = curve.count > 0, LINES[index % len(LINES)]
        text = f"{literal(name)}, ECE {curve.ece:.3f}"
        above.plot(
            curve.confidence[kept], curve.frequency[kept], colour, label=text, lw=1.3, marker="o", ms=3.5
        )
        share = curve.count / curve.count.sum()
        below.stairs(share, curve.edges, color=colour, lw=1.3, baseline=None)
    style_axis(above, "came true", "")
    style_axis(below, "share of probabilities", "probability")
    _legend_above(figure, above)
    above.set(xlim=(0, 1), ylim=(0, 1))
    below.set_yscale("log")
    below.tick_params(which="minor", colors=FAINT, labelsize=8)
    below.set_xticks(np.linspace(0, 1, 6))
    return figure_png(figure)


def risk_coverage_figure(curves: Mapping[str, RiskCoverage], loss: str) -> bytes | None:
    """Plot the mean loss of the least doubtful answers against how many of them are kept.

    Args:
        curves: Curve by the doubt that ranks the answers, such as "entropy".
        loss: What the loss is, such as "1 - Dice".

    Returns:
        PNG file, or None without a point.
    """
    there = {name: curve for name, curve in curves.items() if len(curve.risk)}
    if not there:
        return None
    figure = Figure(figsize=(3.6, 2.9), layout="constrained")
    axis = figure.subplots()
    for index, (name, curve) in enumerate(there.items()):
        text = f"{literal(name)}, AURC {curve.aurc:.3g}"
        axis.plot(100 * curve.coverage, curve.risk, LINES[index % len(LINES)], label=text, lw=1.3)
    style_axis(axis, f"{literal(loss)} of those kept", "% kept, the least doubtful first")
    _legend_above(figure, axis)
    axis.set(xlim=(0, 100), ylim=(0, None))
    return figure_png(figure)


def _legend_above(figure: Figure, axis: Axes) -> None:
    """Write the legend of an axis over the figure, where no curve can be."""
    shown, names = axis.get_legend_handles_labels()
    look: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK, "handlelength": 1.4}
    figure.legend(shown, names, loc="outside upper left", **look)


def histograms(groups: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """Plot the share of values in each of 16 bins, for the groups of each quantity.

    Args:
        groups: Quantity to its groups, each with one value or more.

    Returns:
        PNG file.
    """
    figure = Figure(figsize=(3.6 * len(groups), 2.9), layout="constrained")
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    for axis, (title, values) in zip(axes, groups.items(), strict=True):
        edges = np.histogram_bin_edges(np.concatenate(list(values.values())), 16)
        for index, (name, group) in enumerate(values.items()):
            share = np.histogram(group, edges)[0] / len(group)
            text = f"{literal(name)} ({len(group)})"
            axis.stairs(share, edges, color=LINES[index % len(LINES)], label=text, lw=1.3, baseline=None)
        style_axis(axis, "share of images", literal(title))
        axis.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.4)
    return figure_png(figure)


def curves(rows: Sequence[Row], split: str = "val") -> dict[str, dict[str, Line]]:
    """Return the curves that `history` draws: title to named lines.

    These are the losses of each player, with their total if there are several, and the first score of the
    registry that was logged.
    """
    series = _series(rows)
    found = {
        f"{player}: losses": _below(f"loss/{player}", series) for player in ("generator", "discriminator")
    }
    for lines in found.values():
        if len(lines) == 2:
            lines.pop("total", None)
    score = next((name for name in known() if f"{split}/{name}" in series), None)
    if score:
        lines = _below(f"{split}/{score}", series)
        found[f"validation: {describe(score).title}"] = {**lines, "mean": series[f"{split}/{score}"]}
    return {title: lines for title, lines in found.items() if lines}


def _below(prefix: str, series: Mapping[str, Line]) -> dict[str, Line]:
    return {name[len(prefix) + 1 :]: line for name, line in series.items() if name.startswith(f"{prefix}/")}


def _series(rows: Sequence[Row]) -> dict[str, Line]:
    """Return the finite values of each name and the steps at which they were logged."""
    steps = _numbers([row["step"] for row in rows])
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row if name != "step"):
        values = _numbers([row.get(name) for row in rows])
        kept = np.isfinite(values)
        if kept.any():
            found[name] = (steps[kept], values[kept])
    return found


def _numbers(values: Sequence[str | float | None]) -> np.ndarray:
    return np.array([float("nan") if v is None or v == "" else float(v) for v in values])


def literal(name: str) -> str:
    """Return a name as matplotlib draws it unchanged: between two dollars it would read a formula."""
    return name.replace("$", r"\$")


def style_axis(axis: Axes, title: str, below: str) -> None:
    """Set the common style of an axis, its title, and its label below."""
    axis.set_title(title, loc="left", fontsize=10, color=INK)
    axis.set_xlabel(below, fontsize=9, color=FAINT)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#dadce0")
    axis.tick_params(labelsize=8, colors=FAINT, length=3)
    axis.grid(axis="y", color="#eceff1", lw=0.8)
    axis.set_axisbelow(True)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def figure_png(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144)
    return file.getvalue()
