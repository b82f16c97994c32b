"""Rules of a plan on fingerprints that were made up: what is chosen, and that a user's own words stay."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from monai.networks.nets import PatchDiscriminator

from ganatomy.planning import rules
from ganatomy.planning.draft import Draft
from ganatomy.planning.rules import augmentation
from ganatomy.planning.rules.images import patch_of, shape_of
from ganatomy.planning.rules.networks import strides
from ganatomy.planning.rules.units import target_spacing
from tests.planning.planted import LABELS, Drafted, made_up


def test_the_coarse_axis_of_anisotropic_volumes_takes_the_finest_tenth() -> None:
    """nnU-Net's rule: above 3 to 1, the 10th percentile on that axis, no finer than the others."""
    shape = (512, 512, 90)
    assert target_spacing((0.8, 0.8, 5.0), (0.7, 0.7, 2.5), shape) == [0.8, 0.8, 2.5]
    assert target_spacing((0.8, 0.8, 5.0), (0.7, 0.7, 0.5), shape) == [0.8, 0.8, 0.8]
    assert target_spacing((0.8, 0.8, 2.0), (0.7, 0.7, 1.0), shape) == [0.8, 0.8, 2.0]
    assert target_spacing((0.8, 2.0, 5.0), (0.7, 0.7, 2.5), shape) == [0.8, 2.0, 5.0]  # 2.5 times the next
    assert target_spacing((0.8, 0.8, 5.0), (0.7, 0.7, 2.5), (256, 256, 100)) == [
        0.8,
        0.8,
        5.0,
    ]  # enough voxels


def test_strides_halve_fine_axes_first() -> None:
    assert strides((64, 64, 64), (1, 1, 1)) == [[2, 2, 2]] * 3
    assert strides((128, 128, 16), (1, 1, 4)) == [[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 1]]
    assert strides((128, 128), (1, 1)) == [[2, 2]] * 4
    assert strides((8, 8), (1, 1)) == [[1, 1]]


def test_a_patch_is_cubic_in_mm_and_no_larger_than_the_image() -> None:
    assert patch_of((200, 200, 200), (1, 1, 1), 64**3) == [64, 64, 64]
    patch = patch_of((512, 512, 20), (0.8, 0.8, 5.0), 64**3)
    assert patch[2] <= 24
    assert patch[0] == patch[1] > 64
    assert math.prod(patch) == pytest.approx(64**3, rel=0.25)


def test_an_anisotropic_ct(drafted: Drafted) -> None:
    facts = {**LABELS, "voxels": {"background": 0.998, "organ": 0.002}}
    draft = drafted(
        "segmentation", dims=3, shape=(400.0, 400.0, 90.0), spacing=(0.8, 0.8, 5.0), finest=(0.7, 0.7, 2.5),
        uneven=3.0, modality="ct", window=(-98.4, 301.2), **facts,
    )  # fmt: skip
    chosen = draft.words()
    assert chosen["data.intensity"] == [-98, 301]
    assert chosen["data.spacing"] == [0.8, 0.8, 2.5]
    patch = chosen["data.patch"]
    assert patch[0] == patch[1] > patch[2]
    assert chosen["data.size"] is None
    assert chosen["data.batch_size"] == 2
    assert chosen["data.foreground"] == 0.67
    assert "10th percentile on the coarse axis" in draft.rows["data.spacing"].why


def test_small_volumes_are_trained_on_whole(drafted: Drafted) -> None:
    draft = drafted("segmentation", dims=3, shape=(50.0, 36.0, 36.0), largest=(55.0, 38.0, 43.0), **LABELS)
    assert draft.words()["data.size"] == [56, 40, 48]
    assert draft.words()["data.batch_size"] == 4
    assert draft.words()["model.generator.strides"] == [2, 2]
    assert draft.words()["data.intensity"] == "zscore"


@pytest.mark.parametrize(
    ("shape", "layers"), [((96, 96, 6), 1), ((64, 64, 1), 1), ((80, 80, 20), 2), ((24, 24, 24), 2)]
)
def test_the_discriminator_takes_the_few_slices_of_thick_ones(
    shape: tuple[float, ...], layers: int, drafted: Drafted
) -> None:
    facts = LABELS | {"shape": shape, "largest": shape, "spacing": (1.0, 1.0, 8.0), "finest": (1.0, 1.0, 8.0)}
    draft = drafted("segmentation", "data.size=null", dims=3, **facts)
    given = {
        k: v for k, v in draft.get("model.discriminator").items() if k in ("channels", "num_layers_d", "norm")
    }
    assert given["num_layers_d"] == layers
    image = torch.zeros(1, 2, *shape_of(draft))
    assert PatchDiscriminator(3, in_channels=2, **given)(image)[-1].numel()


def test_tiny_pictures_keep_their_size(drafted: Drafted) -> None:
    draft = drafted("segmentation", shape=(28.0, 28.0), modality="picture", **LABELS)
    assert draft.words()["data.size"] == 32
    assert draft.words()["model.generator.strides"] == [2, 2]
    assert draft.words()["data.batch_size"] == 8


def test_thick_structures_are_made_smaller_and_thin_ones_are_not(drafted: Drafted) -> None:
    thick = drafted("segmentation", shape=(1024.0, 1024.0), **{**LABELS, "thickness": {"organ": 80.0}})
    thin = drafted("segmentation", shape=(256.0, 256.0), **{**LABELS, "thickness": {"organ": 2.5}})
    large = drafted("segmentation", shape=(1024.0, 1024.0), **{**LABELS, "thickness": {"organ": 2.5}})
    assert thick.words()["data.size"] == 128
    assert thin.words()["data.size"] == 256
    assert (large.words()["data.size"], large.words()["data.patch"]) == (None, [192, 192])


@pytest.mark.parametrize(
    ("side", "stride"), [(5.0, 1), (12.0, 2), (40.0, 4)], ids=["tiny boxes", "small boxes", "large boxes"]
)
def test_the_cells_of_the_maps_suit_the_boxes(drafted: Drafted, side: float, stride: int) -> None:
    facts = {"box_classes": ("cell",), "boxes": (60, 210), "has": ("boxes",), "crowding": 0.45}
    draft = drafted("detection", **facts, box_side=(side, side, side), smallest=side)
    assert draft.words()["model.generator.stride"] == stride
    assert draft.words()["task.max_detections"] == 350  # 210 and half as many, in fifties
    assert draft.words()["task.nms_iou"] == 0.7
    assert draft.words()["data.size"] == 256


def test_huge_pictures_of_boxes_are_made_smaller_in_their_own_proportion(drafted: Drafted) -> None:
    facts = {"box_classes": ("cell",), "boxes": (3, 9), "has": ("boxes",), "box_side": (90.0, 100.0, 110.0)}
    draft = drafted("detection", shape=(1920.0, 2560.0), smallest=100.0, **facts)
    assert draft.words()["data.size"] == [480, 640]
    assert draft.words()["model.generator.stride"] == 4  # a box measures 25 of the smaller pixels
    assert draft.words()["task.nms_iou"] == 0.5


def test_flips_by_anatomy() -> None:
    def axes(**facts: Any) -> list[int]:
        return augmentation.flips(Draft(made_up(**facts), {}, (), "segmentation"))[0]

    assert axes(channels=3, coloured=True, modality="picture") == [0, 1]
    assert axes(channels=3, modality="picture") == [1]  # an ultrasound that was saved as colours
    assert axes(modality="picture") == [1]
    assert axes(dims=3) == [1]
    assert axes(classes=("background", "left_lung", "right_lung")) == []
    assert axes(classes=("background", "kidney L", "kidney R")) == []
    assert axes(classes=("background", "cleft", "bright_spot")) == [1]


@pytest.mark.parametrize(
    ("orientation", "volumes", "slices"),
    [("PLS", [1], [1]), ("RAS", [0], [0]), ("SPR", [2], []), ("IPL", [2], []), (None, [], [])],
)
def test_flips_follow_the_axis_from_left_to_right(
    orientation: str | None, volumes: list[int], slices: list[int]
) -> None:
    def axes(**facts: Any) -> list[int]:
        plain = {"data": {"orientation": orientation}}
        return augmentation.flips(Draft(made_up(**facts), plain, (), "segmentation"))[0]

    assert (axes(dims=3), axes(sliced=True)) == (volumes, slices)


@pytest.mark.parametrize(("dims", "flipped", "mirrors"), [(2, [0, 1], [0, 1]), (3, [0, 1, 2], [1, 2])])
def test_enhancement_flips_all_axes_unless_the_data_set_turns_images(
    dims: int, flipped: list[int], mirrors: list[int], drafted: Drafted
) -> None:
    one = "data.augment=[{_target_: monai.transforms.RandFlipd, keys: [image, target], spatial_axis: 1}]"
    turned = one.replace("RandFlipd", "RandRotate90d").replace("spatial_axis: 1", "prob: 0.5")
    facts = {"dims": dims, "has": ("target",), "cases": {"train": 10, "val": 9, "test": 9}}
    for words in ([], [one]):
        chosen = drafted("enhancement", "data.target=x", *words, **facts).words()
        assert [each["spatial_axis"] for each in chosen["data.augment"]] == flipped
        assert chosen["task.mirror_axes"] == mirrors
    assert "data.augment" not in drafted("enhancement", "data.target=x", turned, **facts).words()


def test_own_augmentation_of_a_data_set_that_turns_images_stays(drafted: Drafted) -> None:
    turning = "data.augment=[{_target_: monai.transforms.RandRotated, keys: [image, label], range_x: 0.1}]"
    noisy = "data.augment=[{_target_: monai.transforms.RandGaussianNoised, keys: [image]}]"
    assert "data.augment" not in drafted("segmentation", turning, **LABELS).words()
    moved = ["RandFlipd", "RandAffined", "RandAdjustContrastd", "RandScaleIntensityd"]
    assert _transforms(drafted("segmentation", **LABELS)) == moved
    assert _transforms(drafted("segmentation", noisy, **LABELS)) == [*moved, "RandGaussianNoised"]


def _transforms(draft: Draft) -> list[str]:
    return [each["_target_"].rpartition(".")[2] for each in draft.words()["data.augment"]]


def test_pairs_get_patches_and_the_error_that_is_scored(drafted: Drafted) -> None:
    facts = {"shape": (450.0, 900.0), "modality": "picture", "has": ("target",)}
    few = {"train": 10, "val": 2, "test": 6}
    draft = drafted("enhancement", "data.target=x", **facts, cases=few)
    chosen = draft.words()
    assert (chosen["data.size"], chosen["data.patch"], chosen["data.batch_size"]) == (None, 64, 16)
    assert chosen["data.intensity"] == [0, 255]
    assert chosen["task.losses.mse"] == 1.0
    assert chosen["trainer.test_checkpoint"] == "last"
    keys = {tuple(each["keys"]) for each in chosen["data.augment"]}
    assert keys == {("image", "target")}


def test_the_adversary_of_a_segmentation_is_light_unless_a_model_was_chosen(drafted: Drafted) -> None:
    key = "model.adversarial.weight"
    assert drafted("segmentation", **LABELS).words()[key] == 0.002
    assert key not in drafted("segmentation", f"{key}=0.05", given=(key,), **LABELS).words()
    assert key not in drafted("segmentation", "model=pix2pix", own_model=True, **LABELS).words()
    assert key not in drafted("segmentation", "model.discriminator=null", **LABELS).words()
    assert key not in drafted("detection", boxes=(2, 5), smallest=30.0, has=("boxes",)).words()


def test_boxes_of_images_are_found_at_three_sizes_where_evaluation_can(drafted: Drafted) -> None:
    facts = {"boxes": (2, 5), "smallest": 30.0, "has": ("boxes",)}
    assert drafted("detection", **facts).words()["task.zooms"] == [0.85, 1.15]
    assert "task.zooms" not in drafted("detection", dims=3, **facts).words()
    assert "task.zooms" not in drafted("detection", "task.instances=true", **facts).words()
    assert "task.zooms" not in drafted("detection", given=("task.zooms",), **facts).words()
    assert "task.zooms" not in drafted("segmentation", **LABELS).words()


def test_what_the_user_set_stays(drafted: Drafted) -> None:
    given = ("data.size", "model.generator", "data.batch_size")
    chosen = drafted("segmentation", "data.size=96", given=given, **LABELS).words()
    assert not {"data.size", "data.batch_size", "model.generator.strides"} & chosen.keys()
    assert "task.mirror_axes" in chosen


def test_rare_classes_where_there_are_keys_for_them() -> None:
    facts = {
        **LABELS,
        "classes": ("background", "liver", "tumour"),
        "voxels": {"background": 0.9, "liver": 0.099, "tumour": 0.001},
        "holds": {"background": 1.0, "liver": 1.0, "tumour": 0.05},
    }
    plain = {"task": {"class_weights": None}, "data": {"sampling": None, "patch": None}}
    draft = Draft(made_up(**facts), plain, (), "segmentation")
    rules.labels.choose(draft)
    assert draft.words() == {"task.class_weights": "auto", "data.sampling": "classes"}
    nothing = Draft(made_up(**facts), {"task": {}, "data": {"patch": None}}, (), "segmentation")
    rules.labels.choose(nothing)
    assert not nothing.rows
    facts |= {"voxels": {"background": 0.9, "liver": 0.1, "tumour": 0}, "holds": {"liver": 1.0, "tumour": 0}}
    never = Draft(made_up(**facts), plain, (), "segmentation")
    rules.labels.choose(never)
    assert not never.rows  # no weight and no sampling makes a class of no case learned


@pytest.mark.parametrize("task", ["synthesis", "anomaly"])
def test_tasks_of_sets_are_planned_by_time_alone(task: str) -> None:
    draft = Draft(made_up(), {}, (), task)
    rules.apply(draft)
    assert not draft.rows
