"""Figures of a sweep: history of scores, importance of parameters, and parallel coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganatomy.pictures.figures import FAINT, INK, LINES, figure_png, literal, style_axis

BLUE, RED = LINES[6], LINES[5]


def history(trials: Sequence[tuple[int, float | None, str]], label: str, sign: int) -> bytes | None:
    """Plot the score of each trial and the best so far.

    Args:
        trials: Number, score and state ("complete", "pruned" or "fail") of each trial; a failed one is marked
            at the bottom.
        label: Name of the score.
        sign: 1: higher is better; -1: lower is.

    Returns:
        PNG file, or None without a complete trial.
    """
    done = [(number, value) for number, value, state in trials if state == "complete" and value is not None]
    if not done:
        return None
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axis = figure.subplots()
    numbers, values = map(np.array, zip(*done, strict=True))
    best = sign * np.maximum.accumulate(sign * values)
    axis.step(
        [*numbers, max(number for number, _, _ in trials)], [*best, best[-1]], where="post", color=INK, lw=1.4
    )
    axis.plot(numbers, values, "o", color=BLUE, ms=5, mew=0, label="done")
    pruned = [(n, v) for n, v, state in trials if state == "pruned" and v is not None and np.isfinite(v)]
    if pruned:
        axis.plot(*zip(*pruned, strict=True), "o", mfc="none", mec=FAINT, ms=5, label="pruned, last score")
    failed = [number for number, _, state in trials if state == "fail"]
    low, high = axis.get_ylim()
    if failed:
        axis.plot(failed, [low] * len(failed), "x", color=RED, ms=6, clip_on=False, label="failed")
        axis.set_ylim(low, high)
    style_axis(axis, f"{label}, best so far", "trial")
    axis.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.2, loc="best")
    return figure_png(figure)


def front(points: Sequence[tuple[float, float, bool]], label: str, second: str) -> bytes | None:
    """Plot two objectives against each other, and the trials that none beats in both.

    Args:
        points: Both objectives of each trial, and if it is one of those.
        label: Name of the first objective.
        second: Name of the second one.

    Returns:
        PNG file, or None without a trial.
    """
    if not points:
        return None
    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    axis = figure.subplots()
    others = [(y, x) for x, y, best in points if not best]
    best = sorted((y, x) for x, y, best in points if best)
    if others:
        axis.plot(*zip(*others, strict=True), "o", mfc="none", mec=FAINT, ms=5, label="beaten in both")
    axis.plot(*zip(*best, strict=True), "o-", color=BLUE, ms=5, mew=0, lw=1.2, label="not beaten")
    style_axis(axis, f"{label} against {second}", second)
    axis.set_ylabel(label, fontsize=8, color=INK)
    axis.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.2, loc="best")
    return figure_png(figure)


def importance(shares: Mapping[str, float]) -> bytes | None:
    """Plot a bar per parameter, the most important on top; `shares` sum to 1."""
    if not shares:
        return None
    names = sorted(shares, key=lambda name: shares[name])
    figure = Figure(figsize=(6.4, 0.9 + 0.32 * len(names)), layout="constrained")
    axis = figure.subplots()
    values = [shares[name] for name in names]
    axis.barh(range(len(names)), values, color=BLUE, height=0.62)
    for index, value in enumerate(values):
        axis.text(value, index, f" {value:.0%}", va="center", fontsize=8, color=INK)
    style_axis(axis, "Importance: what sets the best trials apart", "share")
    axis.grid(visible=False)
    axis.set_yticks(range(len(names)), list(map(literal, names)))
    axis.tick_params(axis="y", labelcolor=INK, length=0)
    axis.set_xlim(0, 1.12 * max(values))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    return figure_png(figure)


def parallel(
    trials: Sequence[Mapping[str, Any]], scores: Sequence[float], label: str, sign: int
) -> bytes | None:
    """Plot parallel coordinates: one line per trial through its parameters, coloured by its score.

    An axis is logarithmic where the values span more than a factor of eight; a parameter that a trial
    does not have breaks its line.

    Args:
        trials: Parameters of each trial by name, best trial first.
        scores: Score of each trial.
        label: Name of the score.
        sign: 1: higher is better; -1: lower is.

    Returns:
        PNG file, or None with fewer than two trials or no parameters.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial))
    if len(trials) < 2 or not names:
        return None
    figure = Figure(figsize=(1.6 + 1.45 * len(names), 3.6), layout="constrained")
    axis = figure.subplots()
    places = {name: _scale([trial.get(name) for trial in trials]) for name in names}
    norm = Normalize(min(scores), max(scores))
    colours = colormaps["viridis" if sign > 0 else "viridis_r"]
    for index in reversed(range(len(trials))):
        heights = [places[name][0][index] for name in names]
        width, alpha = (2.4, 1.0) if index == 0 else (1.1, 0.65)
        axis.plot(
            heights,
            color=colours(norm(scores[index])),
            lw=width,
            alpha=alpha,
            marker="o",
            ms=width + 1.5,
            mew=0,
        )
    for place, name in enumerate(names):
        _rule(axis, place, places[name][1])
    axis.set_xticks(range(len(names)), list(map(literal, shorten(names))), fontsize=8, color=INK)
    axis.set_xlim(-0.15, len(names) - 0.55)
    axis.set_ylim(-0.06, 1.06)
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title("Trials by parameter, the best one bold", loc="left", fontsize=10, color=INK)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axis, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=8, color=FAINT)
    bar.ax.tick_params(labelsize=7, colors=FAINT)
    bar.outline.set_visible(False)
    return figure_png(figure)


def _scale(values: list[Any]) -> tuple[list[float], dict[float, str]]:
    """Return heights from 0 to 1 (NaN where there is no value) and the labels of the axis by height."""
    known = [value for value in values if value is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        numbers = np.array([np.nan if v is None else float(v) for v in values])
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        log = low > 0 and high > 8 * low
        if log:
            numbers = np.log10(numbers)
        lowest, highest = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        if highest == lowest:
            return [0.5 if np.isfinite(n) else np.nan for n in numbers], {0.5: f"{low:.3g}"}
        middle = (lowest + highest) / 2
        labels = {0.0: f"{low:.3g}", 0.5: f"{10**middle if log else middle:.3g}", 1.0: f"{high:.3g}"}
        return list((numbers - lowest) / (highest - lowest)), labels
    choices = sorted({str(value) for value in known})
    step = {choice: (i + 0.5) / len(choices) for i, choice in enumerate(choices)}
    return [np.nan if v is None else step[str(v)] for v in values], {h: c for c, h in step.items()}


def _rule(axis: Axes, place: int, labels: Mapping[float, str]) -> None:
    axis.plot([place, place], [0, 1], color="#dadce0", lw=1, zorder=0)
    for height, text in labels.items():
        box = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.5}
        offset = 0.015 if height else -0.045
        axis.text(place + 0.03, height + offset, literal(text), fontsize=7, color=FAINT, bbox=box, zorder=4)


def shorten(names: Sequence[str]) -> list[str]:
    """Shorten dotted names to as few last parts as keep each of them unique."""
    return [_tail(name, [other for other in names if other != name]) for name in names]


def _tail(name: str, others: Sequence[str]) -> str:
    parts = name.split(".")
    tails = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
    return next((t for t in tails if not any(f".{o}".endswith(f".{t}") for o in others)), name)
