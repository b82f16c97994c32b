"""Figure of a comparison: each case's score in one arm against that in the other."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganatomy.compare.pairing import Pair
from ganatomy.metrics.registry import describe
from ganatomy.pictures.draw import OKABE_ITO
from ganatomy.pictures.figures import FAINT, INK, figure_png, literal, style_axis

GOOD, BAD = (tuple(part / 255 for part in OKABE_ITO[place]) for place in (2, 5))


def scatter(pair: Pair, score: str) -> bytes | None:
    """Plot the score of each case in both arms, and its difference over the cases; None without two cases.

    Args:
        pair: Two arms.
        score: Name of the score.
    """
    table = np.array([[arm.score(case, score) for case in pair.shared] for arm in (pair.first, pair.other)])
    table = table[:, np.isfinite(table).all(0)] if table.size else table
    if table.size < 4:
        return None
    first, other = table
    sign = describe(score.split("/")[0]).sign
    lead = (sign or 1) * (first - other)
    colours = [GOOD if value > 0 else BAD if value < 0 else FAINT for value in lead]
    figure = Figure(figsize=(7.6, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    low, high = float(table.min()), float(table.max())
    left.plot([low, high], [low, high], color=FAINT, lw=1)
    left.scatter(other, first, c=colours, s=22, alpha=0.8, linewidths=0)
    title = literal(describe(score.split("/")[0]).title)
    words = f", green: {pair.first.letter} better" if sign else ""
    style_axis(left, f"{title} of each case{words}", pair.other.letter)
    left.xaxis.set_major_locator(MaxNLocator(5))
    left.set_ylabel(pair.first.letter, color=INK)
    order = np.argsort(first - other)
    right.bar(range(len(order)), (first - other)[order], color=[colours[i] for i in order], width=0.85)
    right.axhline(0, color=FAINT, lw=1)
    right.axhline(float((first - other).mean()), color=INK, lw=1.2, ls="--")
    style_axis(right, f"{pair.name} (dashed: mean)", "cases, sorted")
    return figure_png(figure)
