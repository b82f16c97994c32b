"""Features of a case's summary, by kind."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ganatomy.data.quality.familiarity.case_summary import FIFTHS, Summary

KINDS = ("spacing", "size", "intensity", "levels", "histogram", "sharpness", "place", "colour")
FLOORS = {
    "spacing": math.log(1.25),
    "shape": math.log(1.35),
    "extent": math.log(1.35),
    "value": 0.15,
    "contrast": math.log(1.5),
    "negative": 0.05,
    "offset": 0.3,
    "levels": 0.75,
    "fractions": 0.5,
    "lowest": 0.1,
    "highest": 0.1,
    "fifths": 0.25,
    "skewness": 0.5,
    "kurtosis": 0.5,
    "entropy": 0.4,
    "differences": 0.3,
    "curvature": 0.3,
    "grain": 0.4,
    "middles": 0.3,
    "ends": 0.3,
    "mean": 0.15,
    "std": 0.3,
    "correlation": 0.15,
}
"""Deviation that is no reason for a warning however alike the training cases are, in the feature's unit."""
TINY = 1e-9


def scale_of(summaries: list[Summary]) -> float:
    """Return the typical contrast of a set in raw units, above 0."""
    spans = [high - low for s in summaries for low, high in zip(s["low"], s["high"], strict=True)]
    return float(np.median([span for span in spans if span > 0] or [1.0]))


def features(summary: Summary, scale: float) -> dict[str, float]:
    """Return the features of a case; the name of each is `kind/measurement/number`.

    Sizes, spacings and ratios are logarithms; values are asinh(value / scale), which is linear near 0 and
    logarithmic far from it. What a case does not have is left out; a constant image has its grid alone.

    Args:
        summary: The case.
        scale: Unit of its values, see `scale_of`.
    """
    parts = [_grid(summary)]
    if "skewness" in summary:
        parts += [_values(summary, scale), _levels(summary), _contents(summary), _colours(summary)]
    return {
        f"{name}/{number}": float(value)
        for part in parts
        for name, values in part
        for number, value in enumerate(values)
        if math.isfinite(value)
    }


def _grid(s: Summary) -> Iterator[tuple[str, list[float]]]:
    shape, spacing = s["shape"], s["spacing"]
    yield "spacing/spacing", [math.log(step) for step in spacing]
    sides = sorted(shape) if len(shape) == 2 else shape
    yield "size/shape", [math.log(side) for side in sides]
    lengths = [n * step for n, step in zip(shape, spacing, strict=True)]
    yield "size/extent", [math.log(side) for side in (sorted(lengths) if len(shape) == 2 else lengths)]


def _values(s: Summary, scale: float) -> Iterator[tuple[str, list[float]]]:
    for part in ("low", *FIFTHS, "high"):
        yield f"intensity/value {part}", [math.asinh(value / scale) for value in s[part]]
    spans = [high - low for low, high in zip(s["low"], s["high"], strict=True)]
    yield "intensity/contrast", [math.log(span / scale) for span in spans if span > TINY * scale]
    yield "intensity/negative", s["negative"]
    ratios = [m / d for m, d in zip(s["mean"], s["std"], strict=True) if d > 0]
    yield "intensity/offset", [math.asinh(ratio) for ratio in ratios]


def _levels(s: Summary) -> Iterator[tuple[str, list[float]]]:
    yield "levels/levels", [math.log2(count) for count in s["levels"]]
    yield "levels/fractions", s["fractions"]
    yield "levels/lowest", [math.sqrt(share) for share in s["at_lowest"]]
    yield "levels/highest", [math.sqrt(share) for share in s["at_highest"]]


def _contents(s: Summary) -> Iterator[tuple[str, list[float]]]:
    yield "histogram/fifths", s.get("standardised_fifths", [])
    yield "histogram/skewness", [math.asinh(value) for value in s.get("skewness", [])]
    yield "histogram/kurtosis", [math.log(max(1.0, value)) for value in s.get("kurtosis", [])]
    yield "histogram/entropy", s.get("entropy", [])
    yield "sharpness/differences", [math.log(value + 1e-4) for value in s.get("differences", [])]
    yield "sharpness/curvature", [math.log(value + 1e-2) for value in s.get("curvature", [])]
    yield "sharpness/grain", [math.log(value + 1e-2) for value in s.get("grain", [])]
    yield "place/middles", [*s.get("centre", []), *s.get("middles", [])]
    yield "place/ends", s.get("ends", [])


def _colours(s: Summary) -> Iterator[tuple[str, list[float]]]:
    """Compare each channel with all; a single channel has nothing to compare."""
    means, stds = np.array(s["mean"]), np.array(s["std"])
    spread = math.sqrt(float((stds**2).mean() + means.var()))
    if len(means) < 2 or spread <= 0:
        return
    yield "colour/mean", ((means - means.mean()) / spread).tolist()
    yield "colour/std", [math.log(std / spread + 1e-3) for std in stds]
    yield "colour/correlation", s.get("correlation", [])


def floor_of(name: str) -> float:
    """Return the deviation of a feature that is no reason for a warning."""
    return FLOORS[name.split("/")[1].split()[0]]


def signed(summary: Summary) -> list[float]:
    """Return the measurements that change their sign, and nothing else, when an image is inverted.

    An empty list for a constant image.
    """
    if "skewness" not in summary:
        return []
    parts = summary["standardised_fifths"]
    pairs = [low + high for low, high in zip(parts, reversed(parts), strict=True)][: len(parts) // 2 + 1]
    low, high = (float(np.mean(summary[key])) for key in ("at_lowest", "at_highest"))
    return [
        math.asinh(summary["skewness"][0]),
        *pairs,
        math.sqrt(high) - math.sqrt(low),
        math.sqrt(summary["bright"][0]) - math.sqrt(summary["dark"][0]),
        *summary["centre"],
        *summary["middles"],
        *summary["ends"],
        *(math.asinh(bump) for bump in summary.get("bumps", [0.0, 0.0])),
        *summary.get("spread_with_mean", [0.0]),
    ]


def reversal(summary: Summary) -> list[float]:
    """Return measurements that change their sign when the channels are reversed; none for one channel."""
    found = {
        name: values for name, values in _colours(summary) if len(values) == len(summary["mean"])
    }  # not the correlations, which reversing only reorders
    return [
        a - b
        for values in found.values()
        for a, b in list(zip(values, reversed(values), strict=True))[: len(values) // 2]
    ]
