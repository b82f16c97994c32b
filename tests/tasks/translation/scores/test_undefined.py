"""Cases that a mean leaves out are said."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.metrics.outside import OutsideMetrics
from ganatomy.tasks.translation.scores.scoring import Scoring

NAN = float("nan")


def row(mae: float, ssim: float, multiscale: float) -> dict[str, Any]:
    return {"mae": mae, "ssim": ssim, "multiscale_ssim": multiscale}


def test_a_constant_truth_has_no_range() -> None:
    image = torch.ones(1, 1, 16, 16)
    units = {"offset": torch.zeros(1, 1), "scale": torch.ones(1, 1)}
    batch = {"case": ["a"], "slice": torch.zeros(1), "image": image, "target": image, **units}
    scoring = Scoring("val/mae", None, OutsideMetrics(()), [], 2, False)
    with pytest.raises(UserError, match=r"^a: data_range: .* must be above 0; .*; give task\.data_range$"):
        scoring.add({"val": image}, batch, [0], None)


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
