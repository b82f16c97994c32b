"""Baselines in words, and pairs of numbers that do not look the same."""

from __future__ import annotations

NAMES = {
    "bicubic": "bicubic interpolation",
    "gaussian": "a Gaussian filter",
    "input": "the input as it is",
    "identity": "the source image as it is",
    "nlm": "non-local means",
    "otsu": "Otsu's thresholds",
    "pca": "principal components",
    "tv": "total variation",
}
"""Names of baselines in words, where that in tables is no word."""


def named(baseline: str) -> str:
    """Return the name of a baseline in words, with that of the tables."""
    short = baseline.replace("_", " ")
    return f"{NAMES[baseline]} ({short})" if baseline in NAMES else short


def distinct(one: float, other: float, decimals: int) -> tuple[str, str]:
    """Return two numbers as texts, with up to three decimals more where they would look the same.

    Args:
        one: A number.
        other: Another one.
        decimals: Decimals of the score.
    """
    for more in range(4):
        texts = f"{one:.{decimals + more}f}", f"{other:.{decimals + more}f}"
        if texts[0] != texts[1] or one == other:
            break
    return texts if one != other else (f"{one:.{decimals}f}", f"{other:.{decimals}f}")
