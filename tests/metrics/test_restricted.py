"""Scores of regions, and where only a part of the truth counts: NumPy by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, distance_transform_edt

from ganatomy.baselines.segmentation import Baselines, darkest_first, mean_label_map, otsu_label_map
from ganatomy.metrics.calibration.label_maps import LabelCalibration
from ganatomy.metrics.labelmaps import score_volume
from ganatomy.metrics.segmentation import VolumeScores

SPACING = (2.0, 1.0, 0.5)
BRATS = {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
NAMES = ("background", "edema", "core", "enhancing")


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(prediction, truth, valid) [12, 10, 8], blobs of four classes."""
    draw = np.random.default_rng(seed)
    grid = np.indices((12, 10, 8))
    maps = []
    for shift in (0, 1):
        away = sum((axis - side / 2 - shift) ** 2 for axis, side in zip(grid, (12, 10, 8), strict=True))
        label = np.digitize(away, [4, 10, 18])
        maps.append(torch.from_numpy(3 - label))
    return maps[0], maps[1], torch.from_numpy(draw.random((12, 10, 8)) > 0.3)


def dice(ours: np.ndarray, theirs: np.ndarray, counted: np.ndarray) -> float:
    return 2 * float((ours & theirs & counted).sum() / ((ours & counted).sum() + (theirs & counted).sum()))


def hd95(ours: np.ndarray, theirs: np.ndarray) -> float:
    edges = [mask & ~binary_erosion(mask) for mask in (ours, theirs)]
    ways = [np.percentile(distance_transform_edt(~b, SPACING)[a], 95) for a, b in (edges, edges[::-1])]
    return float(max(ways))


@pytest.mark.parametrize("restricted", [False, True])
def test_scores_of_regions_by_hand(restricted: bool) -> None:
    prediction, truth, valid = drawn(0)
    table = VolumeScores(NAMES, regions=BRATS)
    table.update("a", prediction, truth, SPACING, valid=valid if restricted else None)
    found = table.compute()
    counted = valid.numpy() if restricted else np.ones(truth.shape, bool)
    for name, values in BRATS.items():
        ours, theirs = (np.isin(label, values) for label in (prediction, truth))
        assert float(found[f"dice/{name}"]) == pytest.approx(dice(ours, theirs, counted), abs=1e-6)
        assert float(found[f"hd95/{name}"]) == pytest.approx(hd95(ours & counted, theirs & counted), abs=1e-5)
    mean = np.mean([float(found[f"dice/{name}"]) for name in BRATS])
    assert float(found["dice"]) == pytest.approx(mean, abs=1e-6)
    assert set(table.per_case()[0]) >= {"dice/whole", "hd95/enhancing"}


def test_single_labels_as_regions_are_classes() -> None:
    prediction, truth, _ = drawn(0)
    classes = score_volume(prediction, truth, 4, SPACING, [1, 2, 3])
    assert torch.equal(score_volume(prediction, truth, 4, SPACING, [[1], [2], [3]]), classes)


def test_what_does_not_count_changes_nothing() -> None:
    prediction, truth, valid = drawn(0)
    draw = torch.Generator().manual_seed(0)
    tables = [VolumeScores(NAMES), VolumeScores(NAMES)]
    tables[0].update("a", prediction, truth, SPACING, valid=valid)
    other = [m.where(valid, torch.randint(0, 4, m.shape, generator=draw)) for m in (prediction, truth)]
    tables[1].update("a", *other, SPACING, valid=valid)
    first, second = (table.compute() for table in tables)
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_volume_of_which_nothing_is_known_has_no_score_and_no_part_in_any_mean() -> None:
    prediction, truth, valid = drawn(0)
    alone, both = VolumeScores(NAMES), VolumeScores(NAMES)
    for table in (alone, both):
        table.update("a", prediction, truth, SPACING, 0.5, valid)
    both.update("unknown", prediction, truth, SPACING, 0.9, valid & False)
    expected, found = alone.compute(), both.compute()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found) and float(found["volumes"]) == 1
    rows = both.per_case()
    assert [row["case"] for row in rows] == ["a", "unknown"] and np.isnan(float(rows[1]["dice"]))
    assert both.gate(0.9) == alone.gate(0.9)
    none = VolumeScores(NAMES)
    none.update("unknown", prediction, truth, SPACING, valid=valid & False)
    assert float(none.compute()["volumes"]) == 0 and none.compute()["dice"].isnan()


def test_a_volume_without_a_finding_where_it_counts_is_empty() -> None:
    prediction, truth, _ = drawn(0)
    table = VolumeScores(NAMES)
    table.update("a", prediction, truth, SPACING, valid=truth == 0)
    found = table.compute()
    assert float(found["empty"]) == 1 and float(found["false_positive_rate"]) == 1  # found beside the truth
    table.reset()
    table.update("a", prediction, truth, SPACING, valid=(truth == 0) & (prediction == 0))
    assert float(table.compute()["false_positive_rate"]) == 0


def test_calibration_leaves_out_what_does_not_count() -> None:
    _, truth, valid = drawn(0)
    given = np.random.default_rng(1).dirichlet(np.ones(4), truth.shape).transpose(3, 0, 1, 2)
    some, part = LabelCalibration(NAMES), LabelCalibration(NAMES)
    some.update("a", given, truth, valid)
    part.update("a", given[:, valid.numpy()], truth[valid])
    assert some.compute() == part.compute()


def test_baselines_have_no_vote_and_no_grey_value_where_nothing_counts() -> None:
    one, other, third = np.array([[-1, 1, 0, -1]]), np.array([[2, 1, -1, -1]]), np.array([[2, 0, 1, -1]])
    winner = mean_label_map([one, other, third], 3).winner
    np.testing.assert_array_equal(winner, [[2, 1, 0, 0]])  # a tie: the lower; nobody: background
    images = (
        np.array([[900.0, 10, 30, 900]]),
        np.array([[20.0, 10, 900, 900]]),
        np.array([[20.0, 30, 10, 900]]),
    )
    order = darkest_first(zip(images, (one, other, third), strict=True), 3)
    assert order == [1, 2, 0]  # means 10, 20, 30


def test_baselines_stay_in_the_region_of_interest() -> None:
    draw = np.random.default_rng(0)
    region = np.indices((40, 40))[0] < 20
    image = np.where(np.indices((40, 40))[1] < 10, 100.0, 0.0) + draw.normal(0, 5, (40, 40))
    image[20:] = draw.normal(1000, 5, (20, 40))  # a bright rim would take the threshold
    inside = otsu_label_map(image, [0, 1], region)
    np.testing.assert_array_equal(inside[:20], otsu_label_map(image[:20], [0, 1]))
    assert not inside[20:].any() and inside[:20, :10].all() and not inside[:20, 10:].any()
    truth = (np.indices((40, 40))[1] < 10).astype(int)
    fitted = Baselines.fitted(lambda: [(image, np.where(region, truth, -1))], 2)
    for name, guess in fitted(image, region):
        np.testing.assert_array_equal(guess, truth * region, err_msg=name)
