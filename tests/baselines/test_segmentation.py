"""The mean label map against planted votes and torch's nearest resize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from src.baselines.segmentation import mean_label_map, nearest


def test_the_majority_wins_at_each_position_and_the_lower_label_a_tie() -> None:
    cohort = [[0, 1, 2, 2], [0, 1, 2, 1], [1, 1, 0, 0], [1, 2, 2, 3]]
    predict = mean_label_map(iter(cohort), classes=4)
    assert predict((4,)).tolist() == [0, 1, 2, 0]


def test_volumes_vote_slice_by_slice() -> None:
    rng = np.random.default_rng(0)
    cohort = rng.integers(0, 3, (5, 6, 7, 4))
    counts = np.stack([np.bincount(votes, minlength=3) for votes in cohort.reshape(5, -1).T])
    predicted = mean_label_map(cohort, 3)((6, 7, 4))
    assert (predicted.ravel() == counts.argmax(1)).all()


def test_other_shapes_are_put_on_the_first_ones_grid() -> None:
    first, second = np.zeros((4, 4), int), np.kron([[1, 2], [0, 1]], np.ones((4, 4), int))
    predict = mean_label_map([first, second, second], 3)
    assert predict((4, 4)).tolist() == np.kron([[1, 2], [0, 1]], np.ones((2, 2), int)).tolist()
    assert predict((2, 2)).tolist() == [[1, 2], [0, 1]]


@pytest.mark.parametrize("shape", [(9, 5, 7), (3, 20, 4)])
def test_nearest_equals_torchs(shape: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(1).integers(0, 9, (6, 8, 5))
    reference = interpolate(torch.tensor(labels)[None, None].float(), shape, mode="nearest-exact")[0, 0]
    assert (nearest(labels, shape) == reference.numpy()).all()


@pytest.mark.parametrize(
    ("labels", "message"), [([], "needs a training subject"), ([[0, 4]], "holds labels 0 to 4: 3 classes")]
)
def test_a_cohort_that_cannot_vote_is_refused(labels: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_label_map(labels, 3)
