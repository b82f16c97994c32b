"""Patches are cut where they say, about foreground as often as asked; boxes follow their image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import Compose, RandAffined, RandFlipd, RandRotate90d, RandZoomd

from ganatomy.data.cache import Cache
from ganatomy.data.records import Record
from ganatomy.data.transforms.augment import apply
from ganatomy.data.transforms.patches import Patches, foreground_voxels
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.errors import UserError


def case(shape=(12, 14, 10), seed=0) -> dict[str, np.ndarray]:
    """A volume whose values are its voxels' numbers, with a rare class 2 inside class 1."""
    label = np.zeros((1, *shape), np.uint8)
    label[:, 2:6, 3:9, 2:8] = 1
    label[:, 4, 5, 5] = 2
    image = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return {
        "image": image,
        "label": label,
        "seeds": foreground_voxels(label[0]),
        "affine": np.diag([2.0, 3, 4, 1]),
    }


@given(size=st.tuples(*[st.integers(1, 18)] * 3), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_a_patch_is_a_part_of_its_volume_where_its_affine_says(size, seed):
    whole = case()
    patch = Patches(size)(whole, None, seed)
    assert patch["image"].shape == patch["label"].shape == (1, *size)
    start = (np.linalg.inv(whole["affine"]) @ patch["affine"])[:3, 3].round().astype(int)
    inside = np.argwhere(np.ones(size, bool))
    there = inside + start
    real = ((there >= 0) & (there < whole["image"].shape[1:])).all(1)
    assert real.sum() == np.prod(np.minimum(size, whole["image"].shape[1:]))
    for key, fill in (("image", 1), ("label", 0)):
        values = patch[key][0][tuple(inside.T)]
        assert np.array_equal(values[real], whole[key][0][tuple(there[real].T)])
        assert (values[~real] == fill).all()


def test_nothing_beyond_the_image_is_in_the_mask() -> None:
    small = case((6, 6, 6)) | {"mask": np.ones((1, 6, 6, 6), bool)}
    patch = Patches(10)(small, None, 0)
    assert (
        patch["mask"].dtype == bool
        and patch["mask"].sum() == 6**3
        and patch["image"].shape == (1, 10, 10, 10)
    )


def test_foreground_is_met_as_often_as_asked_and_every_class_alike():
    whole = case((40, 40, 40))
    met = [Patches(1, share)(whole, None, s)["label"].item() for share in (0.0, 0.5, 1.0) for s in range(400)]
    none, half, always = (np.bincount(met[k : k + 400], minlength=3) / 400 for k in (0, 400, 800))
    assert none[0] > 0.98  # one voxel in 440 is labelled
    assert half == pytest.approx([0.5, 0.25, 0.25], abs=0.08)
    assert always == pytest.approx([0, 0.5, 0.5], abs=0.08)


def test_a_patch_of_a_slice_is_centred_on_that_slice():
    """Class 2 is in slice 5 alone."""
    stack = Preparation(2, orientation=None, seeds=True)({**case(), "spacing": np.ones(3)})
    slices = {key: value[5] if key in ("image", "label") else value for key, value in stack.items()}
    assert np.mean([2 in Patches((3, 3), 1.0)(slices, 5, s)["label"] for s in range(60)]) > 0.3
    slices = {key: value[0] if key in ("image", "label") else value for key, value in stack.items()}
    assert not Patches((3, 3), 1.0)(slices, 0, 1)["label"].any()


@pytest.mark.parametrize(
    ("setting", "words"), [((0,), "patch"), ((4, 1.5), "foreground"), (((4, 4),), "patch")]
)
def test_impossible_patches_are_named(setting, words):
    with pytest.raises(UserError, match=f"data.{words}"):
        Patches(*setting)(case(), None, 0)


@pytest.mark.parametrize(
    "transform",
    [
        RandFlipd(["image"], 1, 0),
        RandFlipd(["image"], 1, 1),
        RandRotate90d(["image"], 1),
        RandZoomd(["image"], 1, 0.7, 1.4),
        RandAffined(["image"], prob=1, translate_range=[6, 6], scale_range=0.3, padding_mode="zeros"),
    ],
    ids=lambda t: type(t).__name__,
)
def test_boxes_follow_the_image(transform):
    image = torch.zeros(1, 40, 30)
    image[:, 10:20, 5:12] = 1
    for seed in range(4):
        item = {"image": image, "boxes": torch.tensor([[10.0, 5, 20, 12]]), "classes": torch.tensor([3])}
        moved = apply(Compose([transform]).set_random_state(seed), item)
        seen = np.argwhere(np.asarray(moved["image"])[0] > 0.5)
        if len(moved["boxes"]):
            assert np.abs(moved["boxes"][0].numpy() - [*seen.min(0), *(seen.max(0) + 1)]).max() <= 1.01
            assert moved["classes"].tolist() == [3]
        else:
            assert len(seen) < 40  # most of it has left the picture


def plainly(size, foreground: float, case: dict[str, np.ndarray], z: int | None, seed: int):
    """A patch by the plain formula: values at the seeds, and the minimum, are found in the whole case."""
    shape = np.array(case["image"].shape[1:])
    size, rng = np.array(size), np.random.default_rng(seed)
    room = np.maximum(shape - size, 0)
    chosen = rng.integers(0, room + 1)
    seeds = case["seeds"] if z is None else case["seeds"][case["seeds"][:, -1] == z][:, :-1]
    if rng.random() < foreground and len(seeds):
        values = case["label"][0][tuple(seeds.T)]
        wanted = rng.choice(np.unique(values))
        chosen = np.clip(rng.choice(seeds[values == wanted]) - size // 2, 0, room)
    start = np.where(shape < size, (shape - size) // 2, chosen)
    around = [(0, 0), *zip(np.maximum(-start, 0), np.maximum(start + size - shape, 0), strict=True)]
    window = (slice(None), *(slice(max(0, s), max(0, s + n)) for s, n in zip(start, size, strict=True)))
    return {
        key: np.pad(case[key][window], around, constant_values=0 if key == "label" else case[key].min())
        for key in ("image", "label")
    }


@pytest.mark.parametrize("size", [(6, 6, 6), (6, 20, 6), (16, 16, 16), (1, 14, 30)])
@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_patches_are_those_of_the_whole_case_from_every_cache(tmp_path, size, kind):
    given = {**case(), "spacing": np.ones(3)}
    given["image"] = given["image"] - 700
    prepare = Preparation(3, orientation=None, seeds=True)
    cache = Cache(lambda _: prepare(given), lambda record: record.case, kind, tmp_path)
    record, cut, whole = Record("a", "a"), Patches(size), prepare(given)
    for seed in range(25):
        patch, plain = cut(cache.view(record), None, seed), plainly(size, 0.5, whole, None, seed)
        assert all(np.array_equal(patch[key], plain[key]) for key in plain)
        assert patch["image"].dtype == np.float32 and patch["label"].dtype == np.uint8


def test_patches_of_slices_are_those_of_the_whole_slice(tmp_path):
    prepare = Preparation(2, orientation=None, seeds=True)
    stack = prepare({**case(), "spacing": np.ones(3)})
    cache = Cache(lambda _: stack, lambda record: record.case, "disk", tmp_path)
    cut = Patches((5, 16))
    for z in range(10):
        for seed in range(6):
            whole = {key: value[z] if key in ("image", "label") else value for key, value in stack.items()}
            patch = cut(cache.view(Record("a", "a"), z), z, seed)
            plain = plainly((5, 16), 0.5, whole, z, seed)
            assert all(np.array_equal(patch[key], plain[key]) for key in plain)


def test_a_patch_touches_no_more_of_a_case_than_its_own_voxels():
    """Neither the label map, nor the image for its minimum."""

    class Watched(np.ndarray):
        def __getitem__(self, place):
            part = super().__getitem__(place)
            read.append(part.size)
            return part

        def min(self, *given, **more):
            pytest.fail("read for its minimum")

    prepared = Preparation(3, orientation=None, seeds=True)({**case((40, 40, 12)), "spacing": np.ones(3)})
    watched = {**prepared, **{key: prepared[key].view(Watched) for key in ("image", "label")}}
    for seed in range(20):
        read: list[int] = []
        Patches((8, 8, 16))(watched, None, seed)
        assert read == [8 * 8 * 12] * 2
