"""Tiles: planted pixels, and colours that people with colour-blindness tell apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ganatomy.pictures.draw import (
    CORRECT,
    ERRORS,
    HATCH,
    HATCHED,
    OKABE_ITO,
    TILE,
    colours,
    error_map,
    grey,
    overlay,
    shown,
)

DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]


def count(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((pixels == colour).all(-1).sum())


def test_grey_maps_the_window_to_black_and_white() -> None:
    image = np.tile(np.linspace(-1, 3, 5), (1, TILE, TILE // 5 + 1))[..., :TILE]
    tile = grey(image, window=(0, 2))
    assert tile.shape == (1, TILE, TILE, 3) and tile.dtype == np.uint8
    assert tile[0, 0, :5].tolist() == [[0] * 3, [0] * 3, [128] * 3, [255] * 3, [255] * 3]


def test_each_tile_has_its_own_window_and_outliers_do_not_set_it() -> None:
    ramp = np.linspace(0, 1, TILE * TILE).reshape(1, TILE, TILE)
    hot = ramp.copy()
    hot[0, 5, 5] = 1e6
    hot[0, 6, 6] = np.nan
    pair = grey(np.concatenate([ramp, 7 + 50 * hot]))
    assert np.abs(pair[0].astype(int) - pair[1].astype(int))[10:].max() <= 1


def test_small_images_grow_by_a_whole_factor_and_volumes_show_their_middle() -> None:
    volume = np.zeros((2, 50, 60, 5))
    volume[..., 2] = np.linspace(0, 1, 60)
    tiles = grey(volume, window=(0, 1))
    assert tiles.shape == (2, 200, 240, 3)
    assert tiles[0, 100, 0, 0] < 5 and tiles[0, 100, -1, 0] > 250
    assert (np.diff(tiles[0, 100, :, 0].astype(int)) >= -1).all()


def test_a_flat_or_broken_image_is_drawn_all_the_same() -> None:
    assert (grey(np.full((1, 8, 8), np.nan)) == 0).all()
    assert grey(np.ones((1, 8, 8))).shape == (1, 192, 192, 3)


def test_overlay_outlines_each_class_and_leaves_the_background_bare() -> None:
    image = np.full((1, TILE, TILE), 0.5)
    label = np.zeros((1, TILE, TILE), int)
    label[0, 10:30, 10:40], label[0, 100:110, 100:110] = 1, 2
    tile = overlay(image, label, classes=3, window=(0, 1))[0]
    assert count(tile, OKABE_ITO[0]) == 2 * 20 + 2 * 28
    assert count(tile, OKABE_ITO[1]) == 4 * 9
    assert (tile[label[0] == 0] == 128).all()
    assert tile[20, 20].tolist() == [round(0.62 * 128 + 0.38 * channel) for channel in OKABE_ITO[0]]


def test_error_map_colours_each_kind_of_error() -> None:
    truth, ours = np.zeros((1, 64, 64), int), np.zeros((1, 64, 64), int)
    truth[0, 0, :10], ours[0, 0, 4:9], ours[0, 5, :2] = 1, 1, 2
    ours[0, 0, 9] = 2
    tile = error_map(truth, ours)[0]
    nine = 3 * 3
    assert count(tile, ERRORS["missed"]) == 4 * nine
    assert count(tile, ERRORS["false alarm"]) == 2 * nine
    assert count(tile, ERRORS["wrong class"]) == 1 * nine
    assert count(tile, CORRECT) == 5 * nine


@pytest.mark.parametrize(
    "vision", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["all", "deuteranopia", "protanopia"]
)
@pytest.mark.parametrize("palette", [OKABE_ITO[:4], tuple(ERRORS.values())], ids=["classes", "errors"])
def test_colours_stay_apart_in_every_eye(
    vision: list[list[float]], palette: tuple[tuple[int, ...], ...]
) -> None:
    """Machado, Oliveira, Fernandes 2009: what a dichromat sees, in linear RGB; 255 is black to white."""
    linear = (np.array(palette) / 255) ** 2.2
    seen = 255 * np.clip(linear @ np.array(vision).T, 0, 1) ** (1 / 2.2)
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 40


def test_names_get_the_colours_that_are_drawn() -> None:
    assert colours(("background", "a", "b")) == {"a": OKABE_ITO[0], "b": OKABE_ITO[1]}


def test_what_is_no_stack_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"give \[n, height, width\]"):
        grey(np.zeros((4, 4)))


def reds(tiles: np.ndarray) -> bool:
    """Whether red is everywhere the strongest and blue the weakest."""
    return bool((tiles[..., 0] > tiles[..., 1]).all() and (tiles[..., 1] > tiles[..., 2]).all())


def test_three_channels_are_drawn_in_colour_in_one_window() -> None:
    """Red 200, green 100, blue 0 of a window of 0 to 200: those very shades of 255."""
    image = np.broadcast_to(np.array([200.0, 100.0, 0.0])[None, :, None, None], (2, 3, 192, 192))
    tiles = shown(image, (0.0, 200.0))
    assert tiles.shape == (2, 192, 192, 3) and (tiles == [255, 128, 0]).all()
    assert reds(shown(image)) and reds(overlay(image, np.zeros((2, 192, 192)), 2, (0.0, 200.0)))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_of_other_channels_the_first_is_drawn_in_grey(channels: int) -> None:
    image = np.random.default_rng(0).random((2, channels, 24, 20))
    assert np.array_equal(shown(image), grey(image[:, 0]))


def test_samples_of_tasks_keep_colour() -> None:
    import torch

    from ganatomy.tasks.anomaly.anomaly_map import Findings
    from ganatomy.tasks.anomaly.figures import sample_columns
    from ganatomy.tasks.synthesis.figures import sample_grid

    levels = torch.tensor([3.0, 2.0, 1.0])[None, :, None, None]
    image = levels + 0.1 * torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert all(reds(tiles) for tiles in sample_grid(image, image).values())
    found = Findings(image - 0.2 * levels, torch.rand(6, 32, 32), torch.rand(6))
    columns = sample_columns({"image": image}, found, torch.ones(6, dtype=torch.bool), None)
    assert all(reds(columns[name]) for name in ("input", "reconstruction", "residual"))
    imagined = sample_columns({"image": image}, image, torch.ones(6, dtype=torch.bool), None)
    assert all(reds(tiles) for tiles in imagined.values())


def test_what_does_not_count_is_hatched() -> None:
    label = np.zeros((1, 8, 8))
    label[0, :, 4:] = -1
    whole = np.ones((1, 8, 8))
    for tile in (error_map(label, whole)[0], overlay(np.zeros((1, 8, 8)), label, 2, (0, 1))[0]):
        half = tile.shape[1] // 2
        lines = (tile == HATCHED).all(-1)
        assert not lines[:, :half].any() and lines[:, half:].mean() == pytest.approx(2 / HATCH, abs=0.02)
    errors = error_map(label, whole)[0]
    assert not (errors[:, errors.shape[1] // 2 :] == ERRORS["false alarm"]).all(-1).any()
