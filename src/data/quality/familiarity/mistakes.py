"""Summaries as they would be after a named mistake; they tell which mistakes a set lets one see."""

from __future__ import annotations

from collections.abc import Callable

from ganatomy.data.quality.familiarity.case_summary import FIFTHS, Summary


def inverted(s: Summary) -> Summary:
    """Return the summary of the image with light and dark exchanged between its extremes."""
    turned = dict(s)
    ends = [low + high for low, high in zip(s["lowest"], s["highest"], strict=True)]
    parts = ("low", *FIFTHS, "high")
    for part, mirror in zip(parts, reversed(parts), strict=True):
        turned[part] = [total - value for total, value in zip(ends, s[mirror], strict=True)]
    turned["mean"] = [total - value for total, value in zip(ends, s["mean"], strict=True)]
    turned |= {"at_lowest": s["at_highest"], "at_highest": s["at_lowest"]}
    if "skewness" in s:
        turned |= {"dark": s["bright"], "bright": s["dark"]}
        turned["standardised_fifths"] = [-value for value in reversed(s["standardised_fifths"])]
    for key in ("skewness", "centre", "middles", "ends", "bumps", "spread_with_mean"):
        if key in s:
            turned[key] = [-value for value in s[key]]
    return turned


def doubled(s: Summary) -> Summary:
    """Return the summary with twice the spacing; a picture, which has none, at half its size."""
    if len(s["shape"]) == 2 and set(s["spacing"]) == {1.0}:
        return s | {"shape": [side / 2 for side in s["shape"]]}
    return s | {"spacing": [2 * step for step in s["spacing"]]}


def coarse(s: Summary) -> Summary:
    """Return the summary of the image at 256 grey levels between its extremes."""
    return s | {"levels": s["levels_of_8_bits"]}


def swapped(s: Summary) -> Summary:
    """Return the summary of the image with its channels reversed."""
    count = len(s["mean"])
    per_channel = (
        "low",
        *FIFTHS,
        "high",
        "lowest",
        "highest",
        "mean",
        "std",
        "at_lowest",
        "at_highest",
        "correlation",
    )
    return s | {key: s[key][::-1] for key in per_channel if key in s and count > 1}


MISTAKES: dict[str, Callable[[Summary], Summary]] = {
    "inverted": inverted,
    "spacing times two": doubled,
    "256 grey levels": coarse,
    "channels reversed": swapped,
}
"""Mistakes whose effect on a summary is known without the image."""
