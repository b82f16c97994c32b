"""The direct transforms are MONAI's: equal draws, numbers and boxes; what is unusual stays MONAI's."""

from __future__ import annotations

from typing import Any

import monai.transforms as mt
import numpy as np
import pytest
import torch

from ganatomy.data.transforms.augment import Augmentation, apply
from ganatomy.data.transforms.direct import INTENSITY, direct

BOTH = ["image", "label"]
SHAPES = {2: (33, 48), 3: (13, 20, 17)}
BOXES = {2: [[3.0, 4, 9, 12], [20, 20, 30, 40]], 3: [[3.0, 4, 2, 9, 12, 8], [7, 5, 6, 11, 14, 16]]}
TURNS: dict[int, dict[str, Any]] = {
    2: {"rotate_range": 0.4, "shear_range": 0.2, "translate_range": [4, (1, 5)], "scale_range": [0.1, 0.3]},
    3: {"rotate_range": [0.2, 0.3, 0.4], "shear_range": [(0.1, 0.2), 0.1], "scale_range": [0.1, (-0.2, 0.3)]},
}
NEEDED: dict[Any, dict[str, Any]] = {mt.RandScaleIntensityd: {"factors": 0.3}}
NEEDED[mt.RandShiftIntensityd] = {"offsets": 0.3}


def item(dims: int, channels: int = 1) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(dims)
    return {
        "image": torch.rand(channels, *SHAPES[dims], generator=rng),
        "label": torch.randint(0, 4, (1, *SHAPES[dims]), generator=rng, dtype=torch.uint8),
        "boxes": torch.tensor(BOXES[dims]),
        "classes": torch.arange(2),
        "case": "a",
    }


def assert_as_monai(transforms: list[Any], dims: int, channels: int = 1) -> None:
    """Hold 21 seeds against MONAI's `Compose` and its tracking of boxes; something must move."""
    assert direct(transforms) is not None
    moved = 0
    for seed in [*range(20), 2**32 - 1]:
        ours = Augmentation(transforms)(lambda: item(dims, channels), seed)
        theirs = apply(mt.Compose(transforms).set_random_state(seed=seed), item(dims, channels))
        for key in ("image", "label", "boxes", "classes"):
            expected = torch.as_tensor(np.asarray(theirs[key]))
            assert torch.equal(ours[key].double(), expected.double()), (key, seed)
        moved += not torch.equal(ours["image"], item(dims, channels)["image"])
    assert moved > 5


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", ["zeros", "border"]])
@pytest.mark.parametrize("mode", [["bilinear", "nearest"], ["nearest", "nearest"]])
def test_affines_are_those_of_monai_to_the_bit(dims, padding, mode):
    affine = mt.RandAffined(BOTH, prob=0.7, mode=mode, padding_mode=padding, **TURNS[dims])
    assert_as_monai([affine], dims)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, [0, 1]])
def test_flips_are_those_of_monai(dims, axis):
    assert_as_monai([mt.RandFlipd(BOTH, 0.5, axis), mt.RandFlipd(BOTH, 0.3, 0)], dims)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kind", sorted(INTENSITY, key=lambda kind: kind.__name__), ids=lambda k: k.__name__)
def test_intensities_are_those_of_monai(kind, dims):
    assert_as_monai([kind(["image"], prob=0.6, **NEEDED.get(kind, {}))], dims, channels=2)


def test_a_list_of_them_draws_as_compose_does():
    """The default of data=busi, with translations."""
    chain = [
        mt.RandFlipd(BOTH, 0.5, 1),
        mt.RandAffined(BOTH, prob=0.8, mode=["bilinear", "nearest"], padding_mode="border", **TURNS[2]),
        mt.RandAdjustContrastd(["image"], prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
        mt.RandScaleIntensityd(["image"], prob=0.3, factors=0.2),
        mt.RandFlipd(["image", "label", "target"], 0.5, 0, allow_missing_keys=True),
    ]
    assert_as_monai(chain, 2)


def test_where_the_draw_says_no_nothing_is_computed(monkeypatch):
    noise = mt.RandGaussianNoised(["image"], prob=0.0)
    monkeypatch.setattr(mt.RandGaussianNoised, "__call__", lambda *_: pytest.fail("computed"))
    one = item(2)
    image = one["image"]
    chain = [noise, mt.RandFlipd(BOTH, 0.0, 0), mt.RandAffined(BOTH, prob=0, mode=["bilinear", "nearest"])]
    assert direct(chain)(one, 3) is None and one["image"] is image


class Own(mt.RandFlipd):
    """A user's own class may do anything."""


@pytest.mark.parametrize(
    "transform",
    [
        Own(BOTH, 0.5, 0),
        mt.RandFlipd(BOTH, 0.5, 0, lazy=True),
        mt.RandAffined(BOTH, prob=0.5, rotate_range=0.3),
        mt.RandAffined(BOTH, prob=0.5, rotate_range=0.3, mode=["bilinear", "nearest"], spatial_size=(16, 16)),
        mt.RandAffined(BOTH, prob=0.5, rotate_range=0.3, mode=[3, 0]),
        mt.RandGaussianNoised(BOTH, prob=0.5),
        mt.RandRotate90d(BOTH, 0.5),
        mt.OneOf([mt.RandFlipd(BOTH, 0.5, 0)]),
    ],
    ids=["own", "lazy", "label interpolated", "other size", "spline", "label too", "other class", "choice"],
)
def test_what_is_unusual_stays_with_monai(transform):
    assert direct([mt.RandFlipd(BOTH, 0.5, 1), transform]) is None


def test_an_item_does_not_depend_on_those_before_it():
    chain = [
        mt.RandFlipd(BOTH, 0.5, 1),
        mt.RandAffined(BOTH, prob=0.7, mode=["bilinear", "nearest"], **TURNS[2]),
        mt.RandGaussianNoised(["image"], 0.7),
    ]
    augment = Augmentation(chain)
    there = [augment(lambda: item(2), seed)["image"] for seed in range(8)]
    back = [augment(lambda: item(2), seed)["image"] for seed in reversed(range(8))]
    assert all(torch.equal(one, other) for one, other in zip(there, reversed(back), strict=True))
    assert not torch.equal(there[0], there[1])


def test_a_fault_is_still_named():
    """MONAI's own run names the transform: here a key that no item has."""
    with pytest.raises(Exception, match=r"^data\.augment: RandFlipd fails on these images"):
        Augmentation([mt.RandFlipd(["image", "label", "mask"], 1.0, 0)])(lambda: item(2), 0)
