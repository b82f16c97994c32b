"""Cases that a mean leaves out are said."""

from __future__ import annotations

from typing import Any

import pytest

from ganatomy.metrics.outside import OutsideMetrics
from ganatomy.tasks.translation.scores.scoring import Scoring

NAN = float("nan")


def row(mae: float, ssim: float, multiscale: float) -> dict[str, Any]:
    return {"mae": mae, "ssim": ssim, "multiscale_ssim": multiscale}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(1, 0.5, 0.5), row(1, 0.5, 0.5)], []),
        (
            [row(1, 0.5, 0.5), row(1, NAN, 0.5)],
            ["ssim: undefined in 1 of 2 cases, the mean is"],
        ),
        ([row(1, 0.5, NAN), row(1, 0.5, NAN)], ["multiscale_ssim: undefined in 2 of 2 cases, no mean"]),
        ([row(1, 0.5, 0.5), row(NAN, NAN, NAN)], []),  # a case without a target is scored in nothing
        ([{"cycle_error": 1.0}], []),
    ],
)
def test_a_similarity_that_some_cases_lack_is_named(rows: list[dict[str, Any]], said: list[str]) -> None:
    scoring = Scoring("val/mae", None, OutsideMetrics(()), [], 2, False)
    found = scoring.undefined(rows)
    assert len(found) == len(said)
    assert all(line.startswith(f"note: {part}") for part, line in zip(said, found, strict=True))
