"""Calibration of a segmentation's probabilities, per case and over the pixels of all cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ganatomy.metrics.calibration.reliability import BINS, Reliability, bin_edges, brier
from ganatomy.metrics.calibration.risk_coverage import DoubtBins, RiskCoverage

FAINT = 0.01
"""Probability of all classes but the background together, from which on a pixel is in question."""
EVERYWHERE, IN_QUESTION, CLASS = "all", "foreground", "class/"
"""Names of the curves; that of a class is `class/<name>`."""


class _Case(NamedTuple):
    """What is kept of a case: `pixels` and `brier` by region, curves by region or class."""

    pixels: dict[str, int]
    brier: dict[str, float]
    curves: dict[str, Reliability]


class LabelCalibration:
    """Calibration of class probabilities against label maps.

    **Background.** Most pixels of a scan are background beyond doubt. Over all pixels these make every model
    look calibrated, so each score is given twice: over all pixels (`ece`, `brier`), and over the pixels in
    question (`ece_foreground`, `brier_foreground`), where the classes other than the background have a
    probability of 0.01 or more together. That region is chosen by the prediction alone; one chosen by the
    truth would make a calibrated model look overconfident.

    Top-label: the probability of the class that is answered, and how often it is right. Per class, in the
    region in question (`ece/<class>`): the probability of the class, and how often the pixel is of it.

    Args:
        classes: Names of the classes, background first.
        bins: Number of bins of equal width, or their edges.

    Example:
        Two pixels, one class besides the background.

        >>> scores = LabelCalibration(("background", "lesion"), bins=10)
        >>> scores.update("case 1", [[0.2, 0.6], [0.8, 0.4]], [1, 1])
        >>> {name: round(value, 3) for name, value in scores.compute().items()}
        {'ece': 0.4, 'brier': 0.2, 'ece_foreground': 0.4, 'brier_foreground': 0.2, 'ece/lesion': 0.4, ...}
    """

    def __init__(self, classes: Sequence[str], bins: int | Sequence[float] = BINS) -> None:
        self.classes, self.edges = tuple(classes), bin_edges(bins).tolist()
        self.cases: dict[str, _Case] = {}
        self.pixels = DoubtBins(1 - 1 / len(self.classes))

    def update(
        self, case: str, probabilities: ArrayLike, truth: ArrayLike, valid: ArrayLike | None = None
    ) -> None:
        """Add a case; one that was there already is left as it was.

        Args:
            case: Name of the case.
            probabilities: Probabilities of the classes on the truth's grid, [K, *spatial].
            truth: Class numbers, [*spatial].
            valid: Pixels that count, bool [*spatial]; None for all.

        Raises:
            ValueError: If the shapes differ, a class number is unknown, or a probability is not in [0, 1].
        """
        if case in self.cases:
            return
        given, true = np.asarray(probabilities), np.asarray(truth)
        if given.shape != (len(self.classes), *true.shape):
            wanted = (len(self.classes), *true.shape)
            raise ValueError(f"{case}: probabilities {given.shape} and truth {true.shape}: expected {wanted}")
        flat, labels = given.reshape(len(given), -1), true.ravel().astype(np.int64)
        if valid is not None:
            flat, labels = (each[..., np.asarray(valid).ravel()] for each in (flat, labels))
        if labels.size and not 0 <= labels.min() <= labels.max() < len(flat):
            raise ValueError(f"{case}: the truth holds labels {labels.min()} to {labels.max()}")
        answer, sure = flat.argmax(0), np.clip(flat.max(0), 0, 1)
        self.pixels.update(1 - sure, answer != labels)
        near = 1 - flat[0] >= FAINT
        curves = {EVERYWHERE: Reliability.of(sure, answer == labels, self.edges)}
        curves[IN_QUESTION] = Reliability.of(sure[near], (answer == labels)[near], self.edges)
        for number, name in enumerate(self.classes[1:], 1):
            own = np.clip(flat[number][near], 0, 1)
            curves[f"{CLASS}{name}"] = Reliability.of(own, labels[near] == number, self.edges)
        regions = {EVERYWHERE: (flat, labels), IN_QUESTION: (flat[:, near], labels[near])}
        self.cases[case] = _Case(
            {name: part[1].size for name, part in regions.items()},
            {name: brier(*part) for name, part in regions.items()},
            curves,
        )

    def curves(self) -> dict[str, Reliability]:
        """Return the reliability over the pixels of all cases: `all`, `foreground`, `class/<name>`."""
        return _added([case.curves for case in self.cases.values()])

    def compute(self) -> dict[str, float]:
        """Return the scores over the pixels of all cases, by flat name; a large case counts for more.

        `overconfidence` is of the pixels in question. `pixel_aurc` ranks all pixels by 1 - the probability
        of the answer.
        """
        if not self.cases:
            return {}
        found = _scores(self.curves(), self._mean_brier())
        pixels = self.risk_coverage()
        return {**found, "pixel_aurc": pixels.aurc, "pixel_excess_aurc": pixels.excess}

    def risk_coverage(self) -> RiskCoverage:
        """Return the risk-coverage curve of all pixels: doubt is 1 - the probability of the answer."""
        return self.pixels.curve()

    def per_case(self) -> list[dict[str, Any]]:
        """Return one row per case, sorted: `case` and its scores; NaN where no pixel is in question."""
        return [
            {"case": name, **_scores(case.curves, case.brier)} for name, case in sorted(self.cases.items())
        ]

    def _mean_brier(self) -> dict[str, float]:
        found = {}
        for region in (EVERYWHERE, IN_QUESTION):
            parts = [(c.brier[region], c.pixels[region]) for c in self.cases.values() if c.pixels[region]]
            number = sum(n for _, n in parts)
            found[region] = math.fsum(b * n for b, n in parts) / number if number else float("nan")
        return found


def _added(each: Sequence[dict[str, Reliability]]) -> dict[str, Reliability]:
    total = dict(each[0]) if each else {}
    for curves in each[1:]:
        total = {name: total[name] + curve for name, curve in curves.items()}
    return total


def _scores(curves: dict[str, Reliability], squares: dict[str, float]) -> dict[str, float]:
    found = {"ece": curves[EVERYWHERE].ece, "brier": squares[EVERYWHERE]}
    found |= {"ece_foreground": curves[IN_QUESTION].ece, "brier_foreground": squares[IN_QUESTION]}
    found |= {f"ece/{n.removeprefix(CLASS)}": curve.ece for n, curve in curves.items() if n.startswith(CLASS)}
    return {**found, "overconfidence": curves[IN_QUESTION].overconfidence}
