"""What is scored: values in the target's units, as files hold them, inside the mask."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.tasks.translation.scores import figures
from ganatomy.tasks.translation.scores.units import known_range, ranges_of, region_of, truth_of, values_of


def batch(rows: int = 2) -> dict[str, Any]:
    image = torch.arange(rows * 16.0).reshape(rows, 1, 4, 4) / 100
    return {
        "case": ["a"] * rows,
        "slice": torch.arange(rows).flip(0),
        "image": image,
        "target": image + 0.5,
        "offset": torch.zeros(rows, 1),
        "scale": torch.full((rows, 1), 7.0),
        "target_offset": torch.full((rows, 1), -1000.0),
        "target_scale": torch.full((rows, 1), 2500.0),
        "mask": image > 0.05,
    }


def test_values_have_the_targets_units_and_not_the_images() -> None:
    given = batch()
    truth = truth_of(None, given, [0, 1], 2)
    assert torch.allclose(truth, given["target"].double() * 2500 - 1000)
    same = values_of(None, given, [0, 1], given["target"], 2)
    assert torch.equal(same, truth) and same.dtype == torch.float64
    given.pop("target_offset"), given.pop("target_scale")
    shared = values_of(None, given, [0, 1], given["target"], 2)
    assert torch.allclose(shared, given["target"].double() * 7)


@pytest.mark.parametrize("own", [True, False])
def test_the_mask_of_the_file_counts_where_there_is_one(own: bool) -> None:
    """Else the batch's mask, in the order of the slices, on the grid of the file."""
    given = batch()
    on_file = np.zeros((1, 4, 4, 2), np.uint8)
    on_file[..., 0] = 3
    seen = []

    def classes(given: dict[str, Any], rows: list[int], label: torch.Tensor) -> np.ndarray:
        seen.append(label)
        return label.numpy()

    files: Any = SimpleNamespace(
        truth=lambda case: {"mask": on_file} if own else {},
        classes=classes,
        planes=lambda given, row, volume: np.moveaxis(volume, -1, 0),
    )
    found = region_of(files, given, [0, 1])
    assert found is not None and found.dtype == torch.bool and found.shape == (2, 1, 4, 4)
    if own:
        assert found[0].all() and not found[1].any() and not seen
    else:
        assert torch.equal(found, given["mask"].flip(0)), "rows in the order of their slices"
    assert region_of(None, given, [1])[0].equal(given["mask"][1])  # type: ignore[index]
    assert region_of(files, {key: v for key, v in given.items() if key != "mask"}, [0]) is None


def test_ranges() -> None:
    assert ranges_of([-1024, 3071]) == (-1024.0, 3071.0) and ranges_of(4095) == 4095.0
    assert ranges_of(None) is None and ranges_of([[0, 1], None, 5]) == [(0.0, 1.0), None, 5.0]


@pytest.mark.parametrize(
    "wrong", [[3, 1], 0, -5.0, "percentile", "abc", True, math.inf, math.nan, [0, math.nan]]
)
def test_what_is_no_range_is_refused(wrong: Any) -> None:
    with pytest.raises(
        UserError, match=r"^task\.data_range: .*; give a window \[low,high\], its width, target,"
    ):
        ranges_of(wrong)


def test_the_targets_range_is_its_window() -> None:
    assert known_range("target", [-1000, 1500]) == [-1000, 1500] and known_range("target", "zscore") is None
    assert known_range("target", ["percentile", [0, 5]]) == [None, [0, 5]]
    assert known_range([0, 255], [0, 200]) == [0, 255], (
        "what is given stays, also where images have that window"
    )


def test_differences_are_signed_and_have_one_legend() -> None:
    assert [figures.full_colour(width) for width in (4095, 2500, 1.0, 255, 0.0)] == [500, 500, 0.2, 50, 1]
    values = np.array([[[0.0, 500.0, -500.0, 5000.0]] * 4])
    drawn = figures.differences(values, 500.0)[0]
    left, above, below, beyond = (drawn[0, place] for place in (0, 60, 110, 180))
    assert left.tolist() == [0, 0, 0] and above.tolist() == list(figures.ABOVE) == beyond.tolist()
    assert below.tolist() == list(figures.BELOW)
