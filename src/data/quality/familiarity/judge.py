"""Reasons, in words, why an image is unlike the training cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganatomy.data.quality.familiarity.case_summary import Summary, summarise
from ganatomy.data.quality.familiarity.features import features, floor_of, reversal, signed
from ganatomy.data.quality.familiarity.mirror import Mirror
from ganatomy.data.quality.familiarity.words import WORDS, either
from ganatomy.errors import UserError

VERSION = 1
"""Version of what `fitted` keeps: increase it when the same values change their meaning."""
BLANK = 0.02
"""Share of constant training cases from which on another constant image is no reason."""
UNIT = 2.5
"""Values within 0..1 are a reason where the maximum of every training case is above this."""


@dataclass(frozen=True)
class Reason:
    """One reason why an image is unlike the training cases.

    Attributes:
        kind: What differs: axes, channels, finite, constant, inverted, reversed, or one of `KINDS`.
        words: The reason, with the image's value and that of training.
        strength: How far beyond the limit, in units of the deviation that is still no reason.

    Example:
        >>> print(Reason("spacing", "spacing 2 x 2 mm, in training 0.9 to 1.1", 3.2))
        spacing 2 x 2 mm, in training 0.9 to 1.1
    """

    kind: str
    words: str
    strength: float = math.inf

    def __str__(self) -> str:
        return self.words


def unlike(
    kept: Mapping[str, Any],
    image: np.ndarray,
    spacing: Sequence[float] | np.ndarray,
    affine: np.ndarray | None,
) -> list[Reason]:
    """Return the reasons why an image is unlike the training cases, at most one of each kind.

    Args:
        kept: What `fitted` returned.
        image: [C, *spatial] in raw units, as read.
        spacing: [dims] in mm; 1 for pictures.
        affine: [4, 4], voxel index to mm; None if unknown.

    Raises:
        UserError: The values were kept by another version.
    """
    if kept.get("version") != VERSION:
        raise UserError(
            f"preprocessing.json: familiarity has the version {kept.get('version')}, not {VERSION}; "
            "use the version of GANatomy that trained the run"
        )
    return reasons_of(kept, summarise(image, affine, np.asarray(spacing, float)))


def reasons_of(kept: Mapping[str, Any], case: Summary) -> list[Reason]:
    """Return the same reasons as `unlike`, from the summary of a case."""
    first = _whole(kept, case)
    if any(reason.kind in ("axes", "channels", "constant") for reason in first):
        return first
    mirrored = list(_mirrored(kept, case))
    found = {reason.kind for reason in mirrored}
    outside: dict[str, tuple[float, str]] = {}
    for name, value in features(case, kept["scale"]).items():
        _, _, bottom, top = kept["features"].get(name, (value,) * 4)
        kind, beyond = name.split("/")[0], max(bottom - value, value - top) / floor_of(name)
        if beyond > outside.get(kind, (0.0, ""))[0]:
            outside[kind] = beyond, name
    explained = {reason.kind for reason in first}
    explained |= {"histogram", "place"} if "inverted" in found else set()
    explained |= {"colour"} if "reversed" in found else set()
    others = [
        Reason(kind, WORDS[kind](kept, case, name), round(beyond, 2))
        for kind, (beyond, name) in outside.items()
        if kind not in explained
    ]
    return [*first, *mirrored, *sorted(others, key=lambda reason: -reason.strength)]


def _whole(kept: Mapping[str, Any], case: Summary) -> list[Reason]:
    """Return what can be said without limits."""
    axes, channels = len(case["shape"]), int(case["channels"][0])
    if axes not in kept["dims"]:
        return [Reason("axes", f"{axes} axes, in training {either(kept['dims'])}")]
    if channels not in kept["channels"]:
        return [Reason("channels", f"{channels} channels, in training {either(kept['channels'])}")]
    found = [] if case["finite"][0] else [Reason("finite", "some values are NaN or infinite")]
    if "skewness" not in case and kept["constant"] < BLANK:
        found.append(Reason("constant", f"blank: all values are {case['lowest'][0]:g}"))
    elif min(case["lowest"]) >= 0 and max(case["highest"]) <= 1 and kept["least_maximum"] > UNIT:
        found.append(Reason("intensity", WORDS["intensity"](kept, case, "intensity/contrast/0")))
    return found


def _mirrored(kept: Mapping[str, Any], case: Summary) -> list[Reason]:
    found = []
    if kept["inverted"] and Mirror(**kept["inverted"]).looks_mirrored(signed(case)):
        found.append(Reason("inverted", "intensities look inverted: dark where training is bright"))
    if kept["reversed"] and Mirror(**kept["reversed"]).looks_mirrored(reversal(case)):
        order = "BGR in place of RGB" if len(case["mean"]) == 3 else "in another order"
        found.append(Reason("reversed", f"channels look reversed: {order}?"))
    return found
