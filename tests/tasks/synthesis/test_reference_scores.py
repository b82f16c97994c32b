"""Synthetic images that are worth nothing get no verdict on copies."""

import math

import pytest

from ganatomy.tasks.synthesis.reference_scores import fault


@pytest.mark.parametrize(
    ("swd", "coverage", "why"),
    [
        (300.0, 0.4, ""),
        (300.0, math.nan, ""),  # too few real images for a coverage
        (300.0, 0.0, "none of them is near a real one"),
        (500.0, 0.4, "they are farther from real ones than the mean image is"),
        (math.nan, 0.4, "they are farther from real ones than the mean image is"),
    ],
)
def test_why_images_are_worth_nothing(swd: float, coverage: float, why: str) -> None:
    assert fault({"swd": swd, "coverage": coverage}, trivial=400.0) == why
