"""Plot of one score against another: the perception-distortion plane (Blau and Michaeli, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ganatomy.experiments.results.panels import WIDE, of_arm, roomy, spread, tidy
from ganatomy.experiments.results.table import baseline_rows
from ganatomy.experiments.results.wording import score_kind
from ganatomy.experiments.spec import Experiment, baseline_score
from ganatomy.experiments.store import Key, Result
from ganatomy.pictures.figures import FAINT, INK, LINES

Point = tuple[float, float]
SIDES = (
    (8, 3, "left", "bottom"),
    (-8, 3, "right", "bottom"),
    (8, -3, "left", "top"),
    (-8, -3, "right", "top"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
)
"""Places for a label: offset in points, and its alignment."""


def curve(experiment: Experiment, results: Mapping[Key, Result]) -> Figure:
    """Draw each arm at its two scores, seeds as faint dots, and a line through those of `figure.arms`."""
    spec = experiment.spec
    assert spec.figure is not None
    across, up = spec.figure.curve
    drawn = Figure(figsize=(WIDE, 4.2), layout="constrained")
    axis = drawn.subplots()
    places = {}
    for arm in spec.arms:
        own = of_arm(experiment, results, arm)
        x, y = spread(own, across), spread(own, up)
        if x is not None and y is not None:
            places[arm] = x[0], y[0]
            colour = LINES[6] if arm in spec.figure.arms else LINES[5]
            axis.plot(x[3], y[3], "o", color=colour, ms=4, alpha=0.55, mew=0)
            axis.plot(*places[arm], "o", color=colour, ms=8, mec="white")
    line = [places[arm] for arm in spec.figure.arms if arm in places]
    if line:
        axis.plot(*zip(*line, strict=True), color=LINES[6], lw=1.4, zorder=1)
    axis.margins(0.15)
    inside = roomy(axis.get_xlim()), roomy(axis.get_ylim())
    names = [(place, spec.arms[arm].label, INK) for arm, place in places.items()]
    outside = []
    for label, baseline, own in baseline_rows(experiment, results):
        x, y = spread(own, baseline_score(across, baseline)), spread(own, baseline_score(up, baseline))
        if x is None or y is None:
            continue
        place = x[0], y[0]
        if all(low <= value <= high for value, (low, high) in zip(place, inside, strict=True)):
            axis.plot(*place, "x", color=FAINT, ms=6)
            names.append((place, label, FAINT))
        else:
            outside.append(f"{label} ({place[0]:.3g}, {place[1]:.3g})")
    tidy(axis, f"Far outside: {', '.join(outside)}" if outside else "")
    axis.grid(color="#eceff1", lw=0.8)
    axis.set_xlabel(score_kind(experiment, across).heading, fontsize=9, color=INK)
    axis.set_ylabel(score_kind(experiment, up).heading, fontsize=9, color=INK)
    _call(drawn, axis, names)
    return drawn


def _call(drawn: Figure, axis: Axes, names: Sequence[tuple[Point, str, str]]) -> None:
    """Label the points, each on the side where it covers the fewest points and labels."""
    drawn.draw_without_rendering()
    points = axis.transData.transform([place for place, _, _ in names])
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in points]
    for place, name, colour in names:
        tried: list[tuple[float, int, Annotation, Bbox]] = []
        for x, y, across, up in SIDES:
            how: dict[str, Any] = {"textcoords": "offset points", "ha": across, "va": up, "color": colour}
            label = axis.annotate(name, place, (x, y), fontsize=8.5, **how)
            box = label.get_window_extent()
            covered = sum(box.overlaps(other) for other in taken)
            beyond = box.x0 < axis.bbox.x0 or box.x1 > axis.bbox.x1
            tried.append((covered + 9 * beyond, len(tried), label, box))
        _, best, _, box = min(tried, key=lambda t: t[:2])
        for _, order, label, _ in tried:
            if order != best:
                label.remove()
        taken.append(box)
