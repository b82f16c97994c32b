"""Ranking scores against scikit-learn and against counting by hand; the table over images and processes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import label as components
from sklearn.metrics import average_precision_score, roc_auc_score

from ganatomy.metrics.anomaly import AnomalyTable, region_shares
from ganatomy.metrics.case_metric import encode
from ganatomy.metrics.ranking import aupro, auroc, auroc_interval, average_precision


@pytest.mark.parametrize("levels", [4, 1000], ids=["ties", "few ties"])
@pytest.mark.parametrize("seed", range(5))
def test_equal_to_scikit_learn(levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    scores = rng.integers(0, levels, 200) + truth * levels * 0.2
    assert auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(scores, truth) == pytest.approx(
        average_precision_score(truth, scores), abs=1e-12
    )


def test_perfect_blind_and_constant() -> None:
    truth = np.array([0, 0, 1, 1, 0]) > 0
    assert auroc(truth * 1.0, truth) == average_precision(truth * 1.0, truth) == 1
    assert auroc(np.zeros(5), truth) == 0.5 and average_precision(np.zeros(5), truth) == pytest.approx(0.4)
    assert np.isnan(auroc(np.arange(3.0), np.zeros(3))) and np.isnan(auroc(np.arange(3.0), np.ones(3)))
    assert np.isnan(average_precision(np.arange(3.0), np.zeros(3)))


def by_hand(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """AUPRO as its definition reads: for every threshold the mean overlap of all regions, and the rate."""
    regions = []
    for number, mask in enumerate(masks):
        names, count = components(mask, np.ones((3, 3)))
        regions += [(number, names == index) for index in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        found = maps >= threshold
        overlap = np.mean([found[number][region].mean() for number, region in regions])
        points.append((found[~masks].mean(), overlap))
    rate, overlap = np.array(points).T
    grid = np.union1d(np.linspace(0, limit, 20001), rate[rate <= limit])
    total = 0.0
    for a, b in pairwise(grid):  # on the open interval, where the curve has no steps
        middle = (a + b) / 2
        i = np.searchsorted(rate, middle, side="right")
        share = (middle - rate[i - 1]) / (rate[i] - rate[i - 1])
        total += (b - a) * (overlap[i - 1] + share * (overlap[i] - overlap[i - 1]))
    return total / limit


@pytest.mark.parametrize("levels", [7, 100000], ids=["ties", "few ties"])
@pytest.mark.parametrize("seed", range(3))
def test_aupro_is_its_definition(levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros((3, 12, 12), bool)
    masks[0, 2:4, 2:4], masks[0, 6:11, 6:11], masks[1, 0, 11] = True, True, True
    maps = rng.integers(0, levels, masks.shape) + 0.4 * levels * masks
    shares = torch.stack([region_shares(torch.from_numpy(mask)) for mask in masks]).numpy()
    assert shares.sum() == pytest.approx(3)
    found = aupro(maps.ravel().astype(float), shares.ravel())
    assert found == pytest.approx(by_hand(maps, masks, 0.3), abs=1e-4)


def test_aupro_of_the_perfect_the_blind_and_the_small() -> None:
    mask = torch.zeros(20, 20)
    mask[3:13, 3:13], mask[17, 17] = 1, 1
    shares = region_shares(mask).numpy().ravel()
    inside = mask.numpy().ravel()
    assert aupro(inside, shares) == pytest.approx(1)
    assert aupro(np.zeros(400), shares) == pytest.approx(0.15)
    large = inside.copy()
    large[17 * 20 + 17] = 0
    assert aupro(large + 0.0, shares) == pytest.approx(0.5 + 0.5 * 0.15), "each lesion is one of two"
    assert np.isnan(aupro(inside, np.zeros(400))) and np.isnan(aupro(inside, np.ones(400)))


def test_the_interval_draws_subjects_with_all_their_images() -> None:
    """Twenty copies of an image tell no more than one: the interval stays as wide."""
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 2 > 0
    scores = rng.normal(size=40) + truth
    subjects = [str(i) for i in range(40)]
    once = auroc_interval(scores, truth, subjects)
    many = auroc_interval(np.repeat(scores, 20), np.repeat(truth, 20), np.repeat(subjects, 20).tolist())
    assert once == pytest.approx(many)
    apart = auroc_interval(np.repeat(scores, 20), np.repeat(truth, 20), [str(i) for i in range(800)])
    assert apart[1] - apart[0] < 0.4 * (once[1] - once[0])
    assert once[0] < auroc(scores, truth) < once[1]


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Normal scores one deviation apart: the true AUROC is Φ(1/√2) = 0.7602."""
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = np.arange(60) % 2 > 0
        low, high = auroc_interval(rng.normal(size=60) + truth, truth, [str(i) for i in range(60)], draws=300)
        inside += low <= 0.7602 <= high
    assert 0.88 <= inside / 200 <= 0.99


def filled(pixels: bool, orders: list[list[int]]) -> list[AnomalyTable]:
    rng = torch.Generator().manual_seed(0)
    maps, scores = torch.rand(6, 8, 8, generator=rng), torch.rand(6, generator=rng)
    masks = torch.zeros(6, 8, 8)
    masks[:3, 2:4, 2:4] = 1
    tables = []
    for order in orders:
        table = AnomalyTable(pixels)
        for i in order:
            table.update(
                [f"c{i}"], [f"s{i // 2}"], scores[i : i + 1], masks[i : i + 1].amax((1, 2)),
                maps[i : i + 1], masks[i : i + 1],
            )  # fmt: skip
        tables.append(table)
    return tables


def test_order_and_repetition_change_nothing() -> None:
    straight, mixed = filled(True, [[0, 1, 2, 3, 4, 5], [5, 2, 2, 0, 4, 1, 3, 5]])
    assert straight.compute() == mixed.compute() and straight.per_case() == mixed.per_case()
    assert straight.per_case()[0].keys() == {"case", "score", "anomalous"}
    assert straight.chance() == {"auroc": 0.5, "ap": 0.5, "pixel_ap": 12 / 384, "aupro": 0.15}


def test_without_outlines_images_alone_are_judged() -> None:
    (table,) = filled(False, [[0, 1, 2, 3]])
    assert table.compute().keys() == {"auroc", "auroc_low", "auroc_high", "ap"}
    (empty,) = filled(True, [[]])
    assert all(np.isnan(float(value)) for value in empty.compute().values()) and empty.per_case() == []


def test_maps_stay_apart_beyond_what_float32_can_count() -> None:
    """Sizes of which every third is odd, told without maps of that size."""
    table = AnomalyTable(True)
    sizes = [2**24, 1, 1, 3]
    for number, size in enumerate(sizes):
        table.keep(f"{number}", subjects=encode("s"), rows=[0.0, 1.0, float(size)])
    state = torch.arange(sum(sizes) - 2**24 + 1)  # the first map is a view of one number
    table.maps = [torch.zeros(1).expand(2**24), state[1:].float()]
    table.shares = table.maps
    _, _, maps, _ = table._kept()
    assert maps[2**24 :].tolist() == [1, 2, 3, 4, 5]


def test_what_is_no_number_has_no_rank() -> None:
    """Sorted to the end, four NaNs among 24 scores move the AUROC by a half, whichever end it is."""
    scores, truth = np.arange(24.0), np.arange(24) >= 12
    scores[:4] = np.nan
    for score in (auroc, average_precision, lambda s, t: aupro(s, t / 12.0)):
        with pytest.raises(ValueError, match="4 of 24 scores are not numbers"):
            score(scores, truth)
    table = AnomalyTable(pixels=True)
    maps = torch.zeros(2, 4, 4)
    maps[1, 0, 0] = torch.nan
    for own, drawn in ((torch.tensor([0.0, torch.nan]), maps * 0), (torch.zeros(2), maps)):
        with pytest.raises(ValueError, match=r"^second: its score or map is not a number"):
            table.update(["first", "second"], ["a", "b"], own, torch.zeros(2) > 0, drawn, drawn > 1)


def test_planes_of_a_map_have_lesions_of_their_own() -> None:
    """A row of two planes counts as two images with maps, and as one image with a score."""
    maps, masks = torch.rand(2, 6, 6), torch.zeros(2, 6, 6, dtype=torch.bool)
    masks[:, 2:4, 2:4] = True
    apart, together = AnomalyTable(True), AnomalyTable(True)
    apart.update(["a", "b"], ["s", "s"], torch.zeros(2), torch.ones(2), maps, masks)
    together.update(
        ["a", "b"], ["s", "s"], torch.zeros(2), torch.ones(2), [list(maps), []], [list(masks), []]
    )
    for name in ("pixel_ap", "aupro"):
        assert float(apart.compute()[name]) == float(together.compute()[name])
    assert len(together.per_case()) == 2
