"""Lesions kept and invented: planted ones, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganatomy.metrics.translation.lesions import Counts, boxes_of, count_boxes, count_masks


def blobs(*corners: tuple[int, ...], side: int = 4, dims: int = 2) -> np.ndarray:
    mask = np.zeros((32,) * dims, bool)
    for corner in corners:
        mask[tuple(slice(start, start + side) for start in corner)] = True
    return mask


@pytest.mark.parametrize("dims", [2, 3])
def test_lesions_kept_lost_and_invented(dims: int) -> None:
    here, there, else_where = (2,) * dims, (12,) * dims, (24,) * dims
    truth = blobs(here, there, dims=dims)
    assert count_masks(truth, truth) == Counts(2, 2, 0)
    assert count_masks(blobs(here, dims=dims), truth) == Counts(2, 1, 0)
    assert count_masks(blobs(here, else_where, dims=dims), truth) == Counts(2, 1, 1)
    assert count_masks(truth & False, truth) == Counts(2, 0, 0)
    assert count_masks(truth, truth & False) == Counts(0, 0, 2)
    boxes = boxes_of(truth)
    assert boxes.tolist() == [[2] * dims + [6] * dims, [12] * dims + [16] * dims]
    assert count_boxes(boxes, boxes) == Counts(2, 2, 0)
    assert count_boxes(boxes[:1], boxes_of(blobs(here, else_where, dims=dims))) == Counts(2, 1, 0)
    assert count_boxes(boxes, boxes[:0]) == Counts(0, 0, 2) and count_boxes(boxes[:0], boxes) == Counts(
        2, 0, 0
    )


def test_a_tenth_is_enough_and_less_is_not() -> None:
    truth = np.zeros((40, 40), bool)
    truth[5:15, 5:15] = True  # 100 voxels
    found = truth & False
    found[5, 5:15] = True  # 10 of them
    assert count_masks(found, truth) == Counts(1, 1, 0)
    found[5, 14] = False
    assert count_masks(found, truth) == Counts(
        1, 0, 0
    )  # too little of the lesion, but none of it is elsewhere
    everywhere = np.ones((40, 40), bool)
    assert count_masks(everywhere, truth) == Counts(1, 1, 1)  # 100 of its 1600 voxels are lesion


def test_diagonal_neighbours_are_one_lesion() -> None:
    truth = np.eye(6, dtype=bool)
    assert count_masks(truth, truth) == Counts(1, 1, 0)


def test_what_an_image_says_nothing_about_is_undefined() -> None:
    assert Counts(4, 3, 1).scores() == pytest.approx(
        {"lesion_sensitivity": 0.75, "false_lesions": 1, "false_lesions_healthy": math.nan}, nan_ok=True
    )
    assert Counts(0, 0, 3).scores() == pytest.approx(
        {"lesion_sensitivity": math.nan, "false_lesions": 3, "false_lesions_healthy": 3}, nan_ok=True
    )
