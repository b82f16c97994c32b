"""Figures of a run, drawn from the rows of metrics.csv and scores.csv."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.pictures.draw import OKABE_ITO
from src.pictures.scores import KINDS, kind

Row = Mapping[str, str | float]

LINES = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in OKABE_ITO]
INK, FAINT = "#202124", "#80868b"


def history(rows: Sequence[Row], split: str = "val") -> bytes | None:
    """Losses of both players and the scores of `split` over the steps, as a PNG; None without a row.

    rows: one mapping a step, `step` and flat names; what is missing or empty was not logged at that step.
    """
    series = _series(rows)
    drawers = [
        drawer
        for drawer in (
            _losses(series, "generator"),
            _losses(series, "discriminator"),
            _scores(series, split),
        )
        if drawer
    ]
    if not drawers:
        return None
    figure = Figure(figsize=(3.35 * len(drawers), 2.9), layout="constrained")
    axes = figure.subplots(1, len(drawers), squeeze=False, sharex=True)[0]
    for axis, (title, lines) in zip(axes, drawers, strict=True):
        for index, (name, (steps, values)) in enumerate(lines.items()):
            main = name in ("total", "mean")
            colour = INK if main else LINES[index % len(LINES)]
            marker = "o" if len(steps) < 12 else None
            axis.plot(steps, values, colour, label=name, lw=2 if main else 1.3, marker=marker, ms=3.5)
        _tidy(axis, title, "step")
        if len(lines) > 1:
            axis.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.4)
    return _png(figure)


def cases(rows: Sequence[Row], score: str) -> bytes | None:
    """One dot a case and class for `score`, with the median as a bar, as a PNG; None without a value.

    rows: one mapping a case, flat names without the split, such as `dice/gm`. Cases carry no name here.
    """
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(f"{score}/"))
    groups = {name.split("/", 1)[1]: _numbers(row.get(name) for row in rows) for name in names}
    groups = {name: values[np.isfinite(values)] for name, values in groups.items()}
    groups = {name: values for name, values in groups.items() if values.size}
    if not groups:
        return None
    figure = Figure(figsize=(1.3 + 0.8 * len(groups), 2.9), layout="constrained")
    axis = figure.subplots()
    for index, values in enumerate(groups.values()):
        spread = 0.3 * (np.random.default_rng(0).random(values.size) - 0.5) if values.size > 1 else 0
        axis.plot(index + spread, values, "o", color=LINES[index % len(LINES)], ms=5, alpha=0.75, mew=0)
        axis.plot([index - 0.27, index + 0.27], [np.median(values)] * 2, color=INK, lw=1.6)
    _tidy(axis, f"{kind(score).label} per test case", "")
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set_xlim(-0.6, len(groups) - 0.4)
    return _png(figure)


Line = tuple[np.ndarray, np.ndarray]


def _series(rows: Sequence[Row]) -> dict[str, Line]:
    """Each name's finite values and the steps at which they were logged."""
    steps = _numbers(row["step"] for row in rows)
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row if name != "step"):
        values = _numbers(row.get(name) for row in rows)
        kept = np.isfinite(values)
        if kept.any():
            found[name] = (steps[kept], values[kept])
    return found


def _losses(series: Mapping[str, Line], player: str) -> tuple[str, dict[str, Line]] | None:
    """A player's losses; the total only where it is made of several."""
    lines = {
        name.rsplit("/", 1)[1]: line for name, line in series.items() if name.startswith(f"loss/{player}/")
    }
    if len(lines) == 2:
        lines.pop("total", None)
    return (f"{player}: losses", lines) if lines else None


def _scores(series: Mapping[str, Line], split: str) -> tuple[str, dict[str, Line]] | None:
    """The best-known score of the split, its mean and its classes."""
    known = [name for name in KINDS if f"{split}/{name}" in series]
    if not known:
        return None
    prefix = f"{split}/{known[0]}"
    lines = {
        name[len(prefix) + 1 :] or "mean": line for name, line in series.items() if name.startswith(prefix)
    }
    mean = lines.pop("mean")
    return f"validation: {kind(known[0]).label}", {**lines, "mean": mean}


def _numbers(values: object) -> np.ndarray:
    return np.array([float("nan") if v in (None, "") else float(v) for v in values])  # type: ignore[attr-defined]


def _tidy(axis: Axes, title: str, below: str) -> None:
    axis.set_title(title, loc="left", fontsize=10, color=INK)
    axis.set_xlabel(below, fontsize=9, color=FAINT)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#dadce0")
    axis.tick_params(labelsize=8, colors=FAINT, length=3)
    axis.grid(axis="y", color="#eceff1", lw=0.8)
    axis.set_axisbelow(True)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144)
    return file.getvalue()
