"""The watershed cuts what a threshold merges, at the places that are known."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.baselines.detection import Sizes, ThresholdDetector
from ganatomy.baselines.watershed import WatershedDetector, watershed_detectors
from ganatomy.metrics.detection.instances import common

SIZES = Sizes(20, 2000, np.array([150.0]))


def disks(dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Two balls of radius 6, ten apart, and which one each voxel is nearer to."""
    middle = np.stack(np.meshgrid(*[np.arange(32)] * dims, indexing="ij"), -1)
    centres = [np.array([15, 9, 16][:dims]), np.array([15, 19, 16][:dims])]
    away = np.stack([np.linalg.norm(middle - c, axis=-1) for c in centres])
    truth = np.where(away.min(0) <= 6, away.argmin(0) + 1, 0)
    return (truth > 0)[None].astype(np.float32), truth


@pytest.mark.parametrize("dims", [2, 3])
def test_touching_balls_are_two(dims):
    image, truth = disks(dims)
    base = ThresholdDetector(0.5, 1, 0.0, SIZES)
    assert len(base(image)[0]) == 1
    (boxes, scores, classes), numbers = WatershedDetector(base, 1.0).instances(image)
    assert len(boxes) == len(scores) == 2 and classes.tolist() == [0, 0]
    shared = common(truth, numbers)[1:, 1:]
    assert (shared.max(1) / shared.sum(1)).min() > 0.95 and set(shared.argmax(1)) == {0, 1}
    for number, box in enumerate(boxes.astype(int), 1):
        places = np.argwhere(numbers == number)
        assert [*places.min(0), *places.max(0) + 1] == box.tolist()


@pytest.mark.parametrize("dims", [2, 3])
def test_an_image_below_the_level_has_no_box(dims):
    """scikit-image finds no peaks of two axes then, whatever the image has."""
    base = ThresholdDetector(0.5, 1, 0.0, SIZES)
    dark = np.zeros((1, *[12, 10, 128][:dims]), np.float32)
    (boxes, scores, classes), numbers = WatershedDetector(base, 1.0).instances(dark)
    assert boxes.shape == (0, 2 * dims) and not len(scores) and not len(classes) and not numbers.any()


@pytest.mark.parametrize("dims", [2, 3])
def test_a_small_ball_beside_a_large_one_is_cut_off_at_the_neck(dims):
    """Radii 8 and 5, eleven apart: the cut is where the spheres meet, not half-way between the centres."""
    places = np.stack(np.meshgrid(*[np.arange(36)] * dims, indexing="ij"), -1)
    radii = np.array([8.0, 5.0])
    centres = [np.array([15, 11, 16][:dims]), np.array([15, 22, 16][:dims])]
    away = np.stack([np.linalg.norm(places - c, axis=-1) for c in centres])
    power = away**2 - radii.reshape(-1, *[1] * dims) ** 2  # equal where the spheres meet
    truth = np.where((power <= 0).any(0), power.argmin(0) + 1, 0)
    base = ThresholdDetector(0.5, 1, 0.0, Sizes(20, 5000, np.array([150.0])))
    _, numbers = WatershedDetector(base, 1.0).instances((truth > 0)[None].astype(np.float32))
    shared = common(truth, numbers)[1:, 1:]
    unions = shared.sum(1)[:, None] + shared.sum(0) - shared
    assert shared.shape == (2, 2) and (shared / unions).max(1).min() > 0.9


def test_state_makes_the_same_detector_and_an_older_one_had_no_limit():
    image, _ = disks(2)
    detector = WatershedDetector(ThresholdDetector(0.5, 1, 1.0, SIZES, 7), 0.5)
    again = WatershedDetector.from_state(detector.state())
    assert again.base.most == 7 and np.array_equal(again(image)[0], detector(image)[0])
    old = {**detector.base.state(), "numbers": detector.base.state()["numbers"][:5]}
    assert ThresholdDetector.from_state(old).most == 100


def test_otsu_s_level_lies_between_two_peaks():
    rng = np.random.default_rng(0)
    image = np.where(rng.random((1, 40, 40)) < 0.3, 10.0, 2.0) + rng.normal(0, 0.3, (1, 40, 40))
    found = watershed_detectors([image], SIZES, ThresholdDetector(1.0, 1, 0.0, SIZES))
    levels = {each.base.level for each in found} - {1.0}
    assert len(levels) == 1 and 2.5 < levels.pop() < 9.5
    flat = watershed_detectors([np.ones((1, 8, 8))], SIZES, ThresholdDetector(1.0, 1, 0.0, SIZES))
    assert all(not len(each(np.ones((1, 8, 8)))[0]) for each in flat)
