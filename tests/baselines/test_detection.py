"""Detectors without learning find planted blobs of the right size and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.baselines.detection import QUANTILES, ThresholdDetector, mean_box, sizes_of, threshold_detectors


def scene(dims: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A large bright, a small bright and a dark cube, a bright speck and a bright wall; and their boxes."""
    image = np.zeros((1, *[40] * dims), np.float32)
    boxes = []
    for low, side, value in ((4, 9, 3.0), (18, 4, 2.0), (26, 4, -2.0)):
        image[(0, *[slice(low, low + side)] * dims)] = value
        boxes.append([*[low] * dims, *[low + side] * dims])
    image[(0, *[33] * dims)] = 5.0
    image[0, ..., -4:] = 5.0
    return image, np.array(boxes, np.float32), np.array([1, 0, 0])


@pytest.mark.parametrize("dims", [2, 3])
def test_parts_of_the_right_size_are_found_with_their_class(dims):
    image, boxes, classes = scene(dims)
    sizes = sizes_of(boxes, classes, 2)
    found, scores, kinds = ThresholdDetector(1.0, 1, 0.0, sizes)(image)
    assert found.tolist() == boxes[:2].tolist() and kinds.tolist() == [1, 0]
    assert scores.tolist() == [2.0, 1.0]  # over the level
    dark, _, kinds = ThresholdDetector(-1.0, -1, 0.0, sizes)(image)
    assert dark.tolist() == boxes[2:].tolist() and kinds.tolist() == [0]
    none = ThresholdDetector(9.0, 1, 0.0, sizes)(image)
    assert [len(part) for part in none] == [0, 0, 0] and none[0].shape == (0, 2 * dims)


def test_levels_are_quantiles_and_low_ones_look_for_dark_parts():
    images = [np.random.default_rng(seed).normal(size=(2, 60, 50)) for seed in range(3)]
    detectors = threshold_detectors(images, sizes_of(scene(2)[1], np.zeros(3, int), 1))
    assert {(d.level < 0) == (d.sign < 0) for d in detectors} == {True}
    pooled = np.concatenate([image.mean(0).ravel() for image in images])
    levels = sorted({d.level for d in detectors})
    assert np.allclose(levels, np.quantile(pooled, QUANTILES), atol=0.2)


def test_the_usual_box_is_the_median_and_knows_no_image():
    boxes = [np.array([[0, 0, 4, 4], [2, 2, 8, 8]], float), np.array([[4, 4, 9, 9]], float), np.zeros((0, 4))]
    classes = [np.array([0, 0]), np.array([2]), np.zeros(0, int)]
    usual = mean_box(boxes, classes)
    found, scores, kinds = usual(np.zeros((1, 9, 9)))
    assert found.tolist() == [[1, 1, 6, 6], [4, 4, 9, 9]] and kinds.tolist() == [0, 2]
    assert scores.tolist() == pytest.approx([1 / 3, 1 / 3])


def test_no_training_box_is_an_error():
    with pytest.raises(ValueError, match="no box"):
        sizes_of(np.zeros((0, 4)), np.zeros(0, int), 1)
