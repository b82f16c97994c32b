"""Words for a measurement outside its limits: the image's value, and that of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ganatomy.data.quality.familiarity.case_summary import Summary
from ganatomy.data.quality.familiarity.features import features

AIR, BONE = -900, 200
"""HU that a CT has at its ends; less at the lower end, beyond half a per cent of outliers."""


def either(numbers: Sequence[int]) -> str:
    """Return numbers as text."""
    return " or ".join(map(str, numbers))


def _span(low: float, high: float) -> str:
    """Return a range as text, one number if both ends read alike."""
    one, other = _number(low), _number(high)
    return one if one == other else f"{one} to {other}"


def _number(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _trained(kept: Mapping[str, Any], name: str, back: Callable[[float], float] = float) -> str:
    low, high, *_ = kept["features"][name]
    return _span(back(low), back(high))


def _per_axis(kept: Mapping[str, Any], kind: str, count: int) -> str:
    spans = [_trained(kept, f"{kind}/{axis}", math.exp) for axis in range(count)]
    return spans[0] if len(set(spans)) == 1 else " x ".join(spans)


def _spacing(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    own = " x ".join(f"{step:.3g}" for step in case["spacing"])
    return f"spacing {own} mm, in training {_per_axis(kept, 'spacing/spacing', len(case['spacing']))}"


def _size(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    flat = len(case["shape"]) == 2
    sides = sorted(case["shape"]) if flat else case["shape"]
    if "shape" in name:
        own, unit = " x ".join(f"{n:.0f}" for n in sides), "pixels" if flat else "voxels"
    else:
        lengths = [n * step for n, step in zip(case["shape"], case["spacing"], strict=True)]
        own, unit = " x ".join(f"{n:.3g}" for n in (sorted(lengths) if flat else lengths)), "mm"
    return f"size {own} {unit}, in training {_per_axis(kept, name.rpartition('/')[0], len(sides))}"


def _intensity(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    low, high, (least, most) = min(case["lowest"]), max(case["highest"]), kept["values"]
    own, trained = f"{_span(low, high)}", f"in training {_span(least, most)}"
    if min(case["low"]) <= AIR and high >= BONE and least > AIR / 2:
        return f"values {own} look like CT, {trained}"
    standard = abs(np.mean(case["mean"])) < 0.1 and 0.8 < float(np.mean(case["std"])) < 1.2 and low < 0
    if standard and (least >= 0 or most > 20):
        return f"values {own} look standardised (mean 0, deviation 1) already, {trained}"
    if low >= 0 and high <= 1 and most > 2:
        return f"values {own} look scaled to 0..1 already, {trained}"
    if low < 0 <= least:
        return f"values {own}, {case['negative'][0]:.0%} of them negative, {trained}"
    measure, channel = name.split("/")[1], int(name.split("/")[2])
    if measure.startswith("value"):
        part = measure.split()[1]
        what = PARTS.get(part, "middle values")
        scale = kept["scale"]
        usual = _trained(kept, name, lambda value: math.sinh(value) * scale)
        return f"values {own}, {what} {_number(case[part][channel])}, in training {usual}"
    if measure == "contrast":
        scale, span = kept["scale"], case["high"][channel] - case["low"][channel]
        usual = _trained(kept, name, lambda value: math.exp(value) * scale)
        return f"values {own}, contrast {_number(span)}, in training {usual}"
    ratio = case["mean"][channel] / case["std"][channel]
    return f"values {own}, mean by deviation {ratio:.3g}, in training {_trained(kept, name, math.sinh)}"


PARTS = {"low": "lowest", "fifth1": "darkest fifth", "fifth5": "brightest fifth", "high": "highest"}


def _levels(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    measure = name.split("/")[1]
    if measure == "levels":
        own, usual = case["levels"][0], _trained(kept, name, lambda value: 2**value)
        few = 2 < own <= 256 and own < 2 ** kept["features"][name][0]
        return f"{own:.0f} grey levels, in training {usual}{': saved with 8 bits?' if few else ''}"
    if measure == "fractions":
        sort = "fractions" if case["fractions"][0] > 0.5 else "whole numbers"
        return f"values are {sort}, in training {'few or none' if sort == 'fractions' else 'fractions'}"
    key = f"at_{measure}"
    share, usual = case[key][int(name.split("/")[2])], _trained(kept, name, lambda value: 100 * value**2)
    hint = ": clipped or padded?" if math.sqrt(share) > kept["features"][name][1] else ""
    return f"{100 * share:.3g} % of the voxels have the {measure} value, in training {usual} %{hint}"


def _histogram(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    measure, number = name.split("/")[1:]
    own = features(case, kept["scale"])[name]
    what = f"mean of fifth {int(number) + 1} of 5" if measure == "fifths" else measure
    return f"another mix of dark and bright ({what} {own:.3g}, in training {_trained(kept, name)})"


def _sharpness(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    own = features(case, kept["scale"])[name]
    low, high, *_ = kept["features"][name]
    how = "noisier or sharper" if own > high else "smoother or more blurred"
    ratio = math.exp(abs(own - (high if own > high else low)))
    return f"{how} than training (differences between neighbours {_times(ratio, own > high)})"


def _times(ratio: float, more: bool) -> str:
    return f"{ratio:.3g} times the largest there" if more else f"1/{ratio:.3g} of the smallest there"


def _place(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    own = features(case, kept["scale"])[name]
    part, number = name.split("/")[1:]
    axis = (
        "of the image" if part == "middles" and number == "0" else f"of axis {int(number) + (part == 'ends')}"
    )
    what = (
        f"middle {axis} against its border" if part == "middles" else f"last third {axis} against its first"
    )
    usual = _trained(kept, name)
    return f"bright parts elsewhere: {what} {own:+.2g} deviations, in training {usual}: turned or cropped?"


def _colour(kept: Mapping[str, Any], case: Summary, name: str) -> str:
    own = features(case, kept["scale"])[name]
    measure, number = name.split("/")[1:]
    what = {"mean": "brightness", "std": "contrast"}.get(measure, "correlation with the next")
    return f"channel {int(number) + 1}: {what} {own:.3g} relative to all, in training {_trained(kept, name)}"


WORDS: dict[str, Callable[[Mapping[str, Any], Summary, str], str]] = {
    "spacing": _spacing,
    "size": _size,
    "intensity": _intensity,
    "levels": _levels,
    "histogram": _histogram,
    "sharpness": _sharpness,
    "place": _place,
    "colour": _colour,
}
