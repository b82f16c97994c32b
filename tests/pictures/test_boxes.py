"""Boxes and heat where they belong, in the colours of their classes."""

from __future__ import annotations

import numpy as np

from ganatomy.pictures.boxes import HEAT, OKABE_ITO, TRUTH, case_columns, heated, with_boxes
from ganatomy.pictures.draw import shown as many


def shown(image: np.ndarray) -> np.ndarray:
    return many(image[None])[0]


def test_words_that_would_lie_over_each_other_are_left_out():
    """Of two boxes at one place the first is named, a third far away too."""
    tile, red = shown(np.zeros((1, 192, 192))), (255, 0, 0)
    boxes = np.array([[60.0, 10, 80, 30], [62, 14, 82, 34], [150, 100, 170, 120]])
    words = with_boxes(tile, (192, 192), boxes, [red] * 3, ["0.90", "0.80", "0.70"])
    first = with_boxes(tile, (192, 192), boxes, [red] * 3, ["0.90", "", "0.70"])
    assert np.array_equal(words, first)
    assert (words != with_boxes(tile, (192, 192), boxes, [red] * 3))[138:149, 100:128].any()


def test_a_box_is_drawn_on_its_pixels_in_its_colour():
    """A 32x24 image is drawn six times as large: voxel 4 begins at pixel 24."""
    image = np.random.default_rng(0).random((1, 32, 24)) * 0.1
    tile = shown(image)
    assert tile.shape == (192, 144, 3)
    picture = with_boxes(tile, (32, 24), np.array([[4.0, 6, 10, 20]]), [(255, 0, 0)])
    changed = np.argwhere((picture != tile).any(2))
    assert changed.min(0).tolist() == [24, 36] and changed.max(0).tolist() == [59, 119]
    assert (picture[24, 36:120] == (255, 0, 0)).all() and (picture[40, 60] == tile[40, 60]).all()
    worded = with_boxes(tile, (32, 24), np.array([[8.0, 6, 20, 20]]), [(255, 0, 0)], ["0.93"])
    assert np.argwhere((worded != tile).any(2)).min(0)[0] < 48  # above the box


def test_colour_images_stay_coloured_and_volumes_of_channels_are_grey():
    image = np.zeros((3, 64, 64))
    image[0, :32] = 1
    tile = shown(image)
    assert (tile[10, 10] == (255, 0, 0)).all() and (tile[180, 10] == 0).all()
    grey = shown(np.random.default_rng(0).random((2, 64, 64)))
    assert (grey[..., 0] == grey[..., 1]).all()


def test_heat_covers_where_it_is_certain_and_leaves_the_rest():
    tile = np.full((64, 64, 3), 100, np.uint8)
    heat = np.zeros((16, 16))
    heat[12:] = 1
    drawn = heated(tile, heat)
    assert (drawn[-1] == HEAT).all() and (drawn[:40] == 100).all()


def test_of_a_volume_the_slice_through_the_first_true_box_is_drawn():
    image = np.random.default_rng(0).random((1, 24, 24, 12)) * 0.1
    image[0, :, :, 9] += 0.5
    truth = (np.array([[2.0, 2, 8, 8, 8, 11], [12, 12, 0, 20, 20, 3]]), np.array([0, 0]))
    found = (np.array([[3.0, 3, 9, 9, 9, 10]]), np.array([0.5]), np.array([1]))
    heat = np.zeros((12, 12, 6))
    heat[..., 4] = 1
    columns = case_columns(image, heat, ["a", "b"], truth, found)
    scale = columns["image"].shape[0] // 24
    assert (columns["image"] == shown(image[..., 9])).all() and (columns["centre map"] == HEAT).all()
    assert (columns["truth"][2 * scale, 2 * scale] == OKABE_ITO[0]).all()
    assert (columns["found"][2 * scale, 2 * scale] == TRUTH).all()
    assert (columns["found"][3 * scale, 4 * scale] == OKABE_ITO[1]).all()
    assert (columns["truth"][12 * scale, 12 * scale] == columns["image"][12 * scale, 12 * scale]).all()
