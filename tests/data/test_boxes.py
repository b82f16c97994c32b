"""Boxes and images stay together through every augmentation; turned boxes stay tight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import (
    RandAffined,
    RandFlipd,
    RandRotate90d,
    RandRotated,
    RandSpatialCropd,
    RandZoomd,
    Resized,
)
from monai.transforms.compose import Compose

from src.data.boxes import move_boxes, remaining_boxes
from src.data.patches import Patches
from src.data.pipeline import apply
from src.data.regrid import Grid

KEYS = ["image"]
WAYS = {
    "flip": [RandFlipd(KEYS, 1, 1)],
    "quarter turn": [RandRotate90d(KEYS, 1, 1)],
    "rotation": [RandRotated(KEYS, 0.6, prob=1, keep_size=True)],
    "rotation that keeps the corners": [RandRotated(KEYS, 0.6, prob=1, keep_size=False)],
    "crop": [RandSpatialCropd(KEYS, (30, 30), random_size=False)],
    "zoom": [RandZoomd(KEYS, 1, 0.7, 1.4)],
    "resize": [Resized(KEYS, (60, 32))],
    "affine": [RandAffined(KEYS, None, 1, 0.5, translate_range=5, scale_range=0.25, padding_mode="zeros")],
    "several": [
        RandFlipd(KEYS, 1, 0),
        RandRotated(KEYS, 0.5, prob=1),
        RandZoomd(KEYS, 1, 0.8, 1.3),
        RandSpatialCropd(KEYS, (32, 32), random_size=False),
    ],
}


def disc(shape: tuple[int, ...], centre: list[float], half: list[float]) -> torch.Tensor:
    places = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in shape], indexing="ij"), -1)
    radius = np.sqrt((((places - centre) / half) ** 2).sum(-1))
    return torch.from_numpy(np.clip((1.05 - radius) * 8, 0, 1).astype(np.float32))[None]


@pytest.mark.parametrize("way", WAYS)
def test_the_box_of_a_disc_surrounds_it_still(way):
    """Within a voxel and a half, after interpolation; an ellipse's box is exact under any turn."""
    seen = 0
    for seed in range(8):
        image = disc((48, 44), [20, 24], [9, 6])
        item = {"image": image, "boxes": torch.tensor([[11.0, 18, 29, 30]]), "classes": torch.tensor([2])}
        moved = apply(Compose(WAYS[way]).set_random_state(seed), item)
        pixels = np.argwhere(np.asarray(moved["image"])[0] > 0.35)
        if not len(moved["boxes"]):
            assert len(pixels) < 150  # most of it has left the picture: the whole has 170 pixels
            continue
        seen += 1
        assert np.abs(moved["boxes"][0].numpy() - [*pixels.min(0), *(pixels.max(0) + 1)]).max() <= 1.6
        assert moved["classes"].tolist() == [2]
    assert seen >= 4


def test_volumes_keep_their_boxes():
    ways = [
        RandFlipd(KEYS, 1, 2),
        RandAffined(KEYS, None, 1, [0.4, 0.4, 0.4], scale_range=0.2, padding_mode="zeros"),
    ]
    image = disc((24, 26, 28), [12, 13, 15], [6, 5, 7])
    box = torch.tensor([[6.0, 8, 8, 18, 18, 22]])
    for seed in range(4):
        item = {"image": image, "boxes": box, "classes": torch.tensor([0])}
        moved = apply(Compose(ways).set_random_state(seed), item)
        pixels = np.argwhere(np.asarray(moved["image"])[0] > 0.35)
        assert np.abs(moved["boxes"][0].numpy() - [*pixels.min(0), *(pixels.max(0) + 1)]).max() <= 1.6


def test_a_full_turn_in_steps_of_thirty_degrees_does_not_inflate_a_round_box():
    """Around the moved corners it would be (sin 30 + cos 30)^12 = 42 times as wide."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]]
    here, there = Grid(np.eye(4), (50, 50)), Grid(turn, (50, 50))
    boxes = np.array([[10.0, 12, 20, 22]])
    moved = boxes
    for _ in range(12):
        moved = move_boxes(moved, here, there)
    assert np.allclose(moved, boxes)


def test_a_box_with_less_than_half_left_is_given_up():
    boxes = np.array([[-4.0, 0, 4.1, 5], [-4.1, 0, 4, 5], [0, 2, 3, 5]])
    cut, kept = remaining_boxes(boxes, (20, 20))
    assert kept.tolist() == [True, False, True] and cut[0].tolist() == [0, 0, pytest.approx(4.1), 5]


@pytest.mark.parametrize("dims", [2, 3])
def test_patches_are_cut_about_boxes_and_take_those_that_lie_in_them(dims):
    rng = np.random.default_rng(0)
    image = rng.random((1, *[40] * dims)).astype(np.float32)
    corner = np.array([30.0, 3, 20][:dims])
    case = {
        "image": image,
        "boxes": np.r_[corner, corner + 5][None].astype(np.float32),
        "classes": np.array([1]),
        "affine": np.eye(4),
        "spacing": np.ones(dims),
    }
    inside = [Patches(16, 1.0)(case, None, seed) for seed in range(5)]
    for patch in inside:
        low, high = np.split(patch["boxes"][0], 2)
        window = (slice(None), *(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))
        whole = (slice(None), *(slice(int(a), int(a) + 5) for a in corner))
        assert np.array_equal(patch["image"][window], image[whole])
    anywhere = [Patches(16, 0.0)(case, None, seed) for seed in range(40)]
    assert 0 < sum(len(patch["boxes"]) for patch in anywhere) < 30
