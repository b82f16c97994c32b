"""Which cases are drawn: from best to worst, by the score that says so."""

from __future__ import annotations

from typing import Any

import pytest

from ganatomy.evaluate.examples import ranked

BOXES = [
    {"case": "half", "objects": 2, "found": 1, "false_positives": 0},
    {"case": "none", "objects": 1, "found": 0, "false_positives": 3},
    {"case": "empty and silent", "objects": 0, "found": 0, "false_positives": 0},
    {"case": "all but one false", "objects": 2, "found": 2, "false_positives": 1},
]


@pytest.mark.parametrize(
    ("rows", "monitor", "order"),
    [
        ([{"case": c, "hd95": v} for c, v in (("a", 3.0), ("b", 1.0), ("c", float("nan")))], "hd95", "ba"),
        ([{"case": c, "psnr": v, "mae": 1.0} for c, v in (("a", 30.0), ("b", 31.0))], "psnr", "ba"),
        ([{"case": c, "mae": v} for c, v in (("a", 3.0), ("b", 1.0))], "psnr", "ba"),
        (
            [{"case": c, "score": v, "anomalous": i} for c, v, i in (("a", 1, 1), ("b", 2, 1), ("c", 9, 0))],
            "",
            "ba",
        ),
        ([{"case": "a", "unknown": 1.0}], "dice", ""),
        ([], "dice", ""),
    ],
)
def test_cases_are_ranked(rows: list[dict[str, Any]], monitor: str, order: str) -> None:
    assert "".join(row["case"] for row in ranked(rows, monitor)[0]) == order


def test_images_with_boxes_are_ranked_by_what_matches() -> None:
    order = [row["case"] for row in ranked(BOXES, "map50")[0]]
    assert order == ["empty and silent", "all but one false", "half", "none"]
