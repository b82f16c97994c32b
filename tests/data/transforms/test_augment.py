"""Augmentation keeps labels labels, moves all of a case together, and says which transform does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monai.transforms as mt
import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.label_values import distinct
from ganatomy.data.sources.brain import Brain
from ganatomy.data.transforms.augment import Augmentation, new_value
from ganatomy.errors import UserError

BOTH = ["image", "label"]


def item(**more: Any) -> Callable[[], dict[str, Any]]:
    """Rings of 0 and 3; a value between is made by whatever interpolates."""
    label = torch.zeros(1, 32, 48, dtype=torch.uint8)
    label[:, 10:20, 12:30] = 3
    return lambda: {"image": torch.rand(1, 32, 48), "label": label.clone(), "subject": "a", **more}


def many(
    transforms: list[Any], make: Callable[[], dict[str, Any]] | None = None, count: int = 12
) -> list[Any]:
    augment = Augmentation(transforms)
    return [augment(make or item(), seed) for seed in range(count)]


@pytest.mark.parametrize(
    "transform",
    [
        mt.RandZoomd(BOTH, 1.0, 0.8, 1.3),
        mt.RandAffined(BOTH, prob=1.0, rotate_range=0.5),
        mt.RandRotated(BOTH, 0.5, prob=1.0),
        mt.Rand2DElasticd(BOTH, (8, 8), (1, 2), prob=1.0),
    ],
    ids=lambda t: type(t).__name__,
)
def test_interpolated_labels_are_refused_and_nearest_is_not(transform):
    name = type(transform).__name__
    flip, noise = mt.RandFlipd(BOTH, 0.5, 1), mt.RandGaussianNoised(["image"], 0.5)
    with pytest.raises(
        UserError, match=rf"^data\.augment: {name} puts .*mode=\[bilinear,nearest\]"
    ) as refused:
        many([flip, transform, noise])
    assert "\n" not in str(refused.value)


def test_labels_by_the_nearest_voxel_stay():
    mode = ["bilinear", "nearest"]
    chain = [
        mt.RandFlipd(BOTH, 0.5, 0),
        mt.RandZoomd(BOTH, 0.8, 0.8, 1.3, mode=["bilinear", "nearest"]),
        mt.RandAffined(BOTH, prob=0.8, rotate_range=0.5, mode=mode, padding_mode="zeros"),
        mt.RandGaussianNoised(["image"], 0.5),
        mt.RandAdjustContrastd(["image"], 0.5),
    ]
    assert all(set(torch.unique(done["label"]).tolist()) <= {0, 3} for done in many(chain))


def test_a_value_that_rounding_would_hide():
    """Values that are whole after interpolation, and those that an intensity transform adds."""
    with pytest.raises(UserError, match=r"RandShiftIntensityd puts .* take label out of its keys"):
        many([mt.RandShiftIntensityd(BOTH, (1, 1.0001), prob=1.0)])
    assert new_value(np.array([[0.0, 1.0, 3.0]]), np.array([0, 3])) == 1
    assert new_value(np.array([[0.0, 3.0, np.nan]]), np.array([3])) is not None
    assert new_value(np.array([[0.0, 3.0]]), np.array([3])) is None  # background comes in at the edges
    wide = np.array([[-7, 2**40, 3]])
    assert distinct(wide).tolist() == [-7, 3, 2**40] and distinct(np.array([5, -2, 5])).tolist() == [-2, 5]


@pytest.mark.parametrize("left", ["label", "target"])
@pytest.mark.parametrize(
    "make",
    [
        lambda keys: mt.RandFlipd(keys, 0.0, 1),  # told before it happens
        lambda keys: mt.OneOf([mt.RandGaussianNoised(["image"], 1.0), mt.RandAxisFlipd(keys, 1.0)]),
        lambda keys: mt.RandSpatialCropd(keys, (16, 16), random_size=False),
    ],
)
def test_what_moves_the_image_alone_is_refused(make, left):
    more = {"target": torch.rand(1, 32, 48)}
    keys = [key for key in ("image", "target", "label") if key != left]
    words = rf"moves image and (target|label) and not {left}; give it keys=\[image,target,label\]"
    with pytest.raises(UserError, match=words):
        many([make(keys)], item(**more))
    many([make(["image", "target", "label"])], item(**more))


def test_boxes_follow_what_has_an_affine_and_nothing_else():
    more = {"boxes": torch.tensor([[1.0, 2, 5, 6]]), "classes": torch.tensor([0])}
    with pytest.raises(UserError, match="Rand2DElasticd bends the image, and boxes cannot follow"):
        many([mt.Rand2DElasticd(BOTH, (8, 8), (1, 2), mode=["bilinear", "nearest"])], item(**more))
    flipped = many([mt.RandFlipd(BOTH, 1.0, 1)], item(**more), 1)[0]
    assert flipped["boxes"].tolist() == [[1, 42, 5, 46]]


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (
            mt.RandZoomd(BOTH, 0.5, 0.7, 1.3, mode=["bilinear", "nearest"], keep_size=False),
            r"RandZoomd makes an image of \d+x\d+ where others are \d+x\d+.*data\.size",
        ),
        (mt.RandRotate90d(BOTH, 0.5), r"RandRotate90d makes an image of (48x32|32x48)"),
        (
            mt.RandCropByPosNegLabeld(BOTH, "label", (8, 8), num_samples=2),
            r"CropByPosNegLabeld fails .*2 items",
        ),
        (mt.RandFlipd([*BOTH, "mask"], 1.0), r"RandFlipd fails on these images \(KeyError: .*mask"),
        (
            mt.Lambdad(["image"], lambda x: x @ torch.zeros(7, 7)),
            r"Lambdad fails on these images \(RuntimeError",
        ),
    ],
)
def test_sizes_and_failures_are_one_line(transform, words):
    with pytest.raises(UserError, match=words) as refused:
        many([mt.RandGaussianNoised(["image"], 0.5), transform])
    assert "\n" not in str(refused.value) and str(refused.value).startswith("data.augment: ")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_says_it_in_one_line(workers):
    augment = [mt.RandZoomd(BOTH, 1.0, 0.8, 1.3)]
    data = DataModule(Brain(subjects=6, size=24, slices=2), batch_size=2, workers=workers, augment=augment)
    with pytest.raises(UserError, match=r"^data\.augment: RandZoomd puts [^\n]*$"):
        next(iter(data.train_dataloader()))


@pytest.mark.parametrize(
    "transform",
    [
        mt.RandSmoothDeformd(["image"], spatial_size=(32, 48), rand_size=(4, 4), prob=1.0, def_range=0.3),
        mt.Transposed(["image"], indices=(0, 2, 1)),
    ],
    ids=lambda t: type(t).__name__,
)
def test_movers_that_monai_keeps_elsewhere(transform):
    """Neither tracks an affine: the label would stay where it was, and so would boxes."""
    name = type(transform).__name__
    with pytest.raises(UserError, match=rf"^data\.augment: {name} moves image and not label"):
        many([transform])
    boxes = {"boxes": torch.tensor([[10.0, 12, 20, 30]]), "classes": torch.tensor([0])}
    bare = {key: value for key, value in item()().items() if key != "label"}
    with pytest.raises(UserError, match=rf"^data\.augment: {name} (bends|moves) the image, and boxes cannot"):
        many([transform], lambda: {**bare, **boxes})


def test_one_patch_is_one_item():
    """MONAI's transforms that cut patches give a list, be it of one."""
    crop = mt.RandCropByPosNegLabeld(BOTH, "label", (16, 16), num_samples=1)
    for made in many([crop, mt.RandFlipd(BOTH, 0.5, 0)]):
        assert made["image"].shape == made["label"].shape == (1, 16, 16)
    with pytest.raises(UserError, match="it makes 2 items of one; set num_samples=1"):
        many([mt.RandCropByPosNegLabeld(BOTH, "label", (16, 16), num_samples=2)])


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (mt.AsDiscreted(["label"], to_onehot=4), "makes 4 channels of the 1 of label"),
        (mt.RepeatChanneld(["image"], 2), "makes 2 channels of the 1 of image"),
    ],
    ids=["one-hot", "repeated"],
)
def test_channels_that_no_network_expects(transform, words):
    name = type(transform).__name__
    with pytest.raises(UserError, match=rf"^data\.augment: {name} {words}.*; take it out$"):
        many([mt.RandFlipd(BOTH, 0.5, 1), transform])
