"""The mean label map against planted votes and torch's nearest resize; Otsu against an exhaustive search."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.filters import threshold_multiotsu
from torch.nn.functional import interpolate

from ganatomy.baselines.segmentation import Baselines, darkest_first, mean_label_map, nearest, otsu_label_map
from ganatomy.tasks.segmentation.baselines import fit_baselines


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


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Class 2 is dark, class 0 between, class 1 bright; class 3 is nowhere."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 3, (8, 9, 3))
    return np.array([5.0, 9.0, 1.0])[label] + draw.normal(0, 0.2, label.shape), label


def test_classes_are_ordered_by_their_intensity_in_training() -> None:
    cohort = [planted(seed) for seed in range(3)]
    assert darkest_first(iter(cohort), 3) == [2, 0, 1]
    with np.errstate(all="raise"):
        assert darkest_first(iter(cohort), 4) == [2, 0, 1, 3]


def test_voxels_that_do_not_count_have_no_vote_and_no_intensity() -> None:
    """By hand: position 0 has one vote, position 1 none; the ignored voxels are brighter than all."""
    cohort = [np.array([1, -1, 0]), np.array([-1, -1, 0]), np.array([-1, -1, 2])]
    assert mean_label_map(cohort, 3)((3,)).tolist() == [1, 0, 0]
    image, label = np.array([9.0, 8.0, 2.0, 1.0, 50.0, 70.0]), np.array([0, 0, 1, 1, -1, -1])
    assert darkest_first([(image, label)], 2) == [1, 0]
    assert darkest_first([(image, np.where(label < 0, 1, label))], 2) == [0, 1]  # as if they counted


def test_a_run_fits_baselines_where_its_labels_count() -> None:
    """An ignored voxel, and one outside of the region of interest, that would turn the majority over."""
    label = np.array([[[1, 1, -1, 0]]], np.int8)
    mask = np.array([[[True, False, True, True]]])
    image = np.array([[[1.0, 90.0, 90.0, 5.0]]])
    case = {"image": image, "label": label, "mask": mask}
    data = SimpleNamespace(
        records={"train": ["c"]}, labels=SimpleNamespace(used=list), whole=lambda record: case, sliced=False
    )
    found = fit_baselines(data, 2)  # type: ignore[arg-type]
    assert found.mean_label.winner.tolist() == [[1, 0, 0, 0]] and found.order == [1, 0]
    del case["mask"]
    assert fit_baselines(data, 2).mean_label.winner.tolist() == [[1, 1, 0, 0]]  # type: ignore[arg-type]


def test_otsu_finds_what_intensity_tells() -> None:
    image, label = planted(7)
    assert np.mean(otsu_label_map(image, [2, 0, 1]) == label) > 0.99
    assert not otsu_label_map(np.full((4, 4), 3.0), [2, 0, 1]).any()


def test_two_classes_are_parted_where_the_variance_between_them_is_largest() -> None:
    """Otsu 1979: over all thresholds between neighbouring values, to the width of a bin of the histogram."""
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.normal(0, 1, 600), draw.normal(5, 1, 200)])
    cuts = np.sort(values)[1:]
    lower = [values < cut for cut in cuts]
    between = [
        low.mean() * (1 - low.mean()) * (values[low].mean() - values[~low].mean()) ** 2 for low in lower
    ]
    best = cuts[int(np.argmax(between))]
    found = values[otsu_label_map(values, [0, 1]) == 1].min()
    assert abs(found - best) < 3 * np.ptp(values) / 256


def test_many_classes_have_no_intervals() -> None:
    image, label = planted(0)
    assert set(dict(Baselines.fitted(lambda: [(image, label)], 5)(image))) == {"mean_label", "otsu"}
    assert set(dict(Baselines.fitted(lambda: [(image, label)], 6)(image))) == {"mean_label"}


def test_parts_get_the_intervals_of_the_whole_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganatomy.baselines.segmentation.PART", 100)
    image = np.random.default_rng(0).normal(np.arange(6).reshape(6, 1, 1), 1, (6, 16, 16))
    thresholds = threshold_multiotsu(image.ravel(), classes=3)
    expected = np.array([2, 0, 1])[np.digitize(image, thresholds)]
    np.testing.assert_array_equal(otsu_label_map(image, [2, 0, 1]), expected)
