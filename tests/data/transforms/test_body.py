"""The body found in images of several modalities, and where it goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import RandAffined, RandFlipd, RandGaussianNoised, RandZoomd

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.brain import Brain
from ganatomy.data.sources.contrasts import BrainContrasts
from ganatomy.data.transforms.augment import Augmentation
from ganatomy.data.transforms.body import body_mask
from ganatomy.errors import UserError


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("contrast", ["t1", "t2", "pd", "ct"])
def test_the_head_is_found_in_mr_and_ct(contrast):
    source = BrainContrasts(source=(contrast,), target=None, subjects=3, size=64)
    for record in source.records():
        case = source.load(record)
        assert dice(body_mask(case["image"], case["spacing"]), case["mask"]) > 0.95


def torso():
    """A CT with lungs, a spine, and a couch that touches the back; and the body of it."""
    x, y, _ = np.indices((60, 60, 12)).astype(float)
    ct = np.full(x.shape, -1000.0)
    body = ((x - 27) / 18) ** 2 + ((y - 30) / 25) ** 2 < 1
    ct[body] = 40
    for side in (-11, 11):
        ct[((x - 26) / 10) ** 2 + ((y - 30 - side) / 7) ** 2 < 1] = -850
    ct[((x - 38) / 4) ** 2 + ((y - 30) / 4) ** 2 < 1] = 1200
    ct[(abs(x - 50) < 2) & (abs(y - 30) < 28)] = -200
    ct[(abs(x - 46) < 3) & (abs(y - 30) < 1)] = 40
    return (ct + np.random.default_rng(0).normal(0, 25, ct.shape)).astype(np.int16)[None], body[None]


def test_lungs_are_body_and_the_couch_is_not():
    ct, body = torso()
    found = body_mask(ct, [3, 3, 3])
    assert dice(found, body) > 0.97
    assert found[0, 26, 19].all() and not found[0, 50, 8].any()


def test_both_legs_are_body():
    x, y, _ = np.indices((50, 60, 8)).astype(float)
    legs = (((x - 25) ** 2 + (y - 16) ** 2) < 100) | (((x - 25) ** 2 + (y - 44) ** 2) < 81)
    image = np.where(legs, 500, 0) + 20 * np.random.default_rng(0).rayleigh(1, x.shape)
    assert dice(body_mask(image[None], [2, 2, 2])[0], legs) > 0.95


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 5])
def test_few_slices_are_no_colours(slices, recwarn):
    image = np.zeros((1, 64, 64, slices))
    image[:, 12:52, 12:52] = 100
    found = body_mask(image, [1, 1, 5])
    assert dice(found, image > 0) > 0.9 and not [str(each.message) for each in recwarn]


def test_an_image_that_is_constant_is_all_body():
    assert body_mask(np.full((1, 8, 8), 3), [1, 1]).all()


def test_auto_gives_every_case_a_mask_and_changes_nothing_else():
    found = DataModule(Brain(subjects=6, size=24, slices=2), batch_size=2, mask="auto", cache="none")
    plain = DataModule(Brain(subjects=6, size=24, slices=2), batch_size=2, cache="none")
    one, other = (next(iter(data.train_dataloader())) for data in (found, plain))
    assert one["mask"].shape == (2, 1, 24, 24) and one["mask"].dtype == torch.bool and "mask" not in other
    assert all(torch.equal(one[key], other[key]) for key in ("image", "label"))
    assert repr(found.preparation) == repr(plain.preparation)[:-1] + ", mask='auto')"


def item():
    """An image whose bright half is its mask."""
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[:, :5, :9] = True
    return {"image": mask.float() * 2, "label": mask.to(torch.uint8), "mask": mask}


MOVES = {
    "flip": lambda keys: RandFlipd(keys=keys, prob=1.0, spatial_axis=0),
    "affine": lambda keys: RandAffined(
        keys=keys, prob=1.0, rotate_range=0.7, translate_range=3, mode="nearest", padding_mode="zeros"
    ),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("named", [True, False])
def test_a_mask_moves_with_its_image(move, named):
    keys = ["image", "label", *(["mask"] if named else [])]
    for seed in range(5):
        moved = Augmentation([MOVES[move](keys)])(item, seed)
        assert torch.equal(moved["mask"], moved["image"] > 0)
        assert not torch.equal(moved["mask"], item()["mask"])


def test_a_transform_of_monai_alone_needs_the_key_of_the_mask():
    zoom = {"prob": 1.0, "min_zoom": 1.3, "max_zoom": 1.4}
    with pytest.raises(
        UserError, match=r"moves image and label and not mask; give it keys=\[image,label,mask\]"
    ):
        Augmentation([RandZoomd(keys=["image", "label"], mode=["nearest", "nearest"], **zoom)])(item, 0)
    keys, modes = ["image", "label", "mask"], ["nearest", "nearest", "bilinear"]
    made = Augmentation([RandZoomd(keys=keys, mode=modes, **zoom), RandGaussianNoised(keys=["image"])])
    moved = made(item, 0)["mask"] > 0.5
    assert 0.4 < moved.float().mean() / item()["mask"].float().mean() < 3
