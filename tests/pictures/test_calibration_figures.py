"""Figures of calibration and doubt."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ganatomy.metrics.calibration.reliability import Reliability
from ganatomy.metrics.calibration.risk_coverage import risk_coverage
from ganatomy.pictures import figures
from ganatomy.pictures.draw import shown
from ganatomy.pictures.heat import heat_overlay


def test_diagrams_hold_the_points_of_their_curves(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    drawn: list[Figure] = []
    png = figures.figure_png
    monkeypatch.setattr(figures, "figure_png", lambda figure: drawn.append(figure) or png(figure))
    curve = Reliability.of([0.1, 0.15, 0.9], [0, 1, 1], 5)
    content = figures.reliability_diagram({"a $ b": curve, "nothing": Reliability.of([], [])})
    assert content is not None and Image.open(io.BytesIO(content)).size == (518, 633)
    diagonal, line = drawn[0].axes[0].lines
    assert np.allclose(line.get_xydata(), [[0.125, 0.5], [0.9, 1.0]])
    assert np.allclose(diagonal.get_xydata(), [[0, 0], [1, 1]])
    (legend,) = drawn[0].legends
    lowest = legend.get_window_extent().y0
    assert lowest > drawn[0].axes[0].get_tightbbox().y1, "over the title and all curves"
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["calibrated", rf"a \$ b, ECE {curve.ece:.3f}"]
    answers = risk_coverage([0.1, 0.2], [0.0, 0.4])
    assert figures.risk_coverage_figure({"entropy": answers}, "1 - Dice")
    (line,) = drawn[1].axes[0].lines
    assert np.allclose(line.get_xydata(), [[50, 0.0], [100, 0.2]])


def test_nothing_is_drawn_of_nothing() -> None:
    assert figures.reliability_diagram({"a": Reliability.of([], [])}) is None
    assert figures.risk_coverage_figure({"a": risk_coverage([], [])}, "x") is None


def test_values_cover_the_image_as_they_rise() -> None:
    image = np.random.default_rng(0).random((1, 1, 192, 192))
    values = np.zeros((1, 192, 192))
    assert np.array_equal(heat_overlay(image, values, 1.0), shown(image))
    values[0, 5, 7] = 2.0
    drawn = heat_overlay(image, values, 1.0)
    assert (drawn != shown(image)).any(-1).sum() == 1 and drawn[0, 5, 7].tolist() == [252, 255, 164]
    half = heat_overlay(image, values / 4, None)
    assert half[0, 5, 7].tolist() == [252, 255, 164], "without a highest value, that of the tile"
