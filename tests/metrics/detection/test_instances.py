"""AJI and PQ: by hand, against a plain loop over voxels, and without objects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganatomy.metrics.detection.instances import InstanceTable, common, jaccard, matches, qualities
from ganatomy.metrics.detection.table import Image


def brute_aji(truth: np.ndarray, found: np.ndarray) -> float:
    """Algorithm 1 of Kumar et al. 2017, as printed."""
    inter = union = 0
    used = set()
    for i in range(1, truth.max() + 1):
        g = truth == i
        scores = {j: (g & (found == j)).sum() / (g | (found == j)).sum() for j in range(1, found.max() + 1)}
        best = max(scores, key=scores.get, default=0)
        if not best or not scores[best]:
            union += g.sum()
            continue
        inter, union = inter + (g & (found == best)).sum(), union + (g | (found == best)).sum()
        used.add(best)
    return inter / (union + sum((found == j).sum() for j in range(1, found.max() + 1) if j not in used))


def brute_pq(truth: np.ndarray, found: np.ndarray) -> float:
    """Equation 1 of Kirillov et al. 2019 with one class."""
    n, m = truth.max(), found.max()
    ious = [
        ((truth == i) & (found == j)).sum() / ((truth == i) | (found == j)).sum()
        for i in range(1, n + 1)
        for j in range(1, m + 1)
    ]
    hits = [iou for iou in ious if iou > 0.5]
    return sum(hits) / (len(hits) + (m - len(hits)) / 2 + (n - len(hits)) / 2)


def random_map(rng: np.random.Generator, shape: tuple[int, ...], count: int) -> np.ndarray:
    numbers = np.zeros(shape, np.int64)
    for number in range(1, count + 1):
        low = [rng.integers(0, side - 5) for side in shape]
        numbers[tuple(slice(a, a + rng.integers(2, 6)) for a in low)] = number
    _, places = np.unique(numbers, return_inverse=True)
    return places.reshape(shape)


@pytest.mark.parametrize("shape", [(24, 20), (12, 10, 9)])
@pytest.mark.parametrize("seed", range(4))
def test_both_scores_are_those_of_a_loop_over_objects(shape, seed):
    rng = np.random.default_rng(seed)
    truth = random_map(rng, shape, 9)
    shifted = np.roll(truth, 1, 0)
    shifted[rng.random(shape) < 0.1] = 0
    for found in (shifted, random_map(rng, shape, 7), truth):
        _, places = np.unique(np.append(found, 0), return_inverse=True)
        found = places[:-1].reshape(shape)
        shared = common(truth, found)
        inter, union = jaccard(shared)
        assert inter / union == pytest.approx(brute_aji(truth, found))
        zeros = [np.zeros(side - 1, int) for side in shared.shape]
        assert qualities(matches(shared, *zeros, 1))["pq"] == pytest.approx(brute_pq(truth, found))


def test_merged_touching_objects_by_hand():
    """Two squares of 16 found as one of 32: IoU 1/2 is no match; AJI = 16 / (32 + 32) with both partners."""
    truth, found = np.zeros((8, 8), int), np.zeros((8, 8), int)
    truth[:4, :4], truth[4:, :4], found[:, :4] = 1, 2, 1
    shared = common(truth, found)
    assert jaccard(shared) == (32, 64)
    assert matches(shared, np.zeros(2, int), np.zeros(1, int), 1).tolist() == [[0, 1, 2, 0]]


def test_classes_are_matched_each_for_itself():
    truth = np.array([[1, 1, 2, 2]])
    right = matches(common(truth, truth), np.array([0, 1]), np.array([0, 1]), 2)
    assert right.tolist() == [[1, 0, 0, 1], [1, 0, 0, 1]]
    swapped = matches(common(truth, truth), np.array([0, 1]), np.array([1, 0]), 2)
    assert swapped.tolist() == [[0, 1, 1, 0], [0, 1, 1, 0]]


def image(case: str) -> Image:
    none = np.zeros((0, 4))
    return Image(
        case, none, np.zeros(0), np.zeros(0, int), none, np.zeros(0, int), np.array([4, 4]), none, none
    )


def test_images_without_objects_count_in_pq_alone_and_none_at_all_is_undefined():
    blank, full = np.zeros((4, 4), int), np.pad(np.ones((2, 2), int), 1)
    none, one = np.zeros(0, int), np.zeros(1, int)
    table = InstanceTable(["cell"], 2)
    assert all(math.isnan(float(table.compute()[name])) for name in ("aji", "pq", "sq", "rq"))
    table.update(image("a"), (blank, blank), (none, none))
    assert math.isnan(float(table.compute()["pq"]))
    table.update(image("b"), (full, full), (one, one))
    assert float(table.compute()["aji"]) == float(table.compute()["pq"]) == 1
    table.update(image("c"), (blank, full), (none, one))
    scores = {name: float(value) for name, value in table.compute().items()}
    assert scores["aji"] == 1 and scores["pq"] == pytest.approx(1 / 1.5)
    table.update(image("d"), (full, blank), (one, none))
    scores = {name: float(value) for name, value in table.compute().items()}
    assert scores["aji"] == 0.5 and scores["pq"] == pytest.approx(1 / 2) and scores["sq"] == 1
    rows = {row["case"]: row["aji"] for row in table.per_case()}
    assert (rows["b"], rows["d"]) == (1, 0) and math.isnan(rows["a"])
    low, high = table.bootstrap({case: n for n, case in enumerate("abcd")}, draws=50)["pq"]
    assert low < 0.5 < high


def test_maps_of_other_shapes_and_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="instance maps of"):
        common(np.zeros((3, 3), int), np.zeros((3, 4), int))
    with pytest.raises(ValueError, match="below 0"):
        common(np.full((3, 3), -1), np.zeros((3, 3), int))
