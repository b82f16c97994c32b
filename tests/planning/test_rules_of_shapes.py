"""Rules of a plan on unusual shapes: what is chosen, held against what the pipeline and MONAI then do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import RandAffined

from ganatomy.config.compose import composed
from ganatomy.config.plans.reading import words_of
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.intensity import units
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.planning import rules
from ganatomy.planning.draft import Draft
from ganatomy.planning.rules import augmentation
from ganatomy.planning.rules.images import shape_of, zoom_of
from tests.planning.planted import LABELS, Drafted, made_up

BOXES: dict[str, Any] = {"box_classes": ("nodule",), "boxes": (2, 3), "has": ("boxes",)}


@pytest.mark.parametrize(
    ("shape", "spacing", "about"),
    [
        ((64, 64, 64), (1, 1, 1), None),
        ((96, 96, 32), (0.7, 0.7, 2.0), None),  # 3 to 1 is not more than 3
        ((96, 96, 31), (1, 1, 1), 2),  # nnU-Net's rule: longest side over the one across the slices
        ((96, 96, 32), (0.7, 0.7, 2.5), 2),
        ((16, 96, 96), (5.0, 0.7, 0.7), 0),
    ],
)
def test_flat_volumes_turn_within_their_slices(
    shape: tuple[int, ...], spacing: tuple[float, ...], about: int | None
) -> None:
    assert augmentation.turned_about(shape, spacing) == about


@pytest.mark.parametrize("flat", [True, False])
def test_no_slice_is_mixed_with_its_neighbours_by_a_flat_volumes_affine(flat: bool, drafted: Drafted) -> None:
    sides = (64.0, 64.0, 16.0) if flat else (48.0, 48.0, 48.0)
    spacing = (0.7, 0.7, 5.0) if flat else (1.0, 1.0, 1.0)
    draft = drafted(
        "segmentation", dims=3, shape=sides, largest=sides, spacing=spacing, finest=spacing, **LABELS
    )
    given = next(dict(each) for each in draft.words()["data.augment"] if "Affine" in each["_target_"])
    assert ("within slices" in draft.rows["data.augment"].why) is flat
    del given["_target_"]
    moved = RandAffined(**given | {"keys": ["image"], "mode": "bilinear", "prob": 1.0}).set_random_state(3)
    slices = torch.arange(sides[2]).expand(1, *(int(n) for n in sides)).clone()
    difference = (moved({"image": slices})["image"] - slices).abs().max()
    assert bool(difference < 0.01) is flat, "turned out of its plane, or shifted by a part of a slice"


def test_pictures_are_zoomed_and_moved_along_both_axes(drafted: Drafted) -> None:
    """MONAI leaves an axis without a number of its own as it is."""
    affine = drafted("segmentation", modality="picture", **LABELS).words()["data.augment"][1]
    assert affine["scale_range"] == [0.15, 0.15]
    assert affine["translate_range"] == [6, 6]  # a twentieth of 128


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        (2, ("data.size=64",)),
        (2, ("data.size=[64,192]", "data.resize=stretch")),
        (2, ("data.size=64", "data.resize=cover")),
        (3, ("data.size=null", "data.patch=[16,16,16]")),
        (3, ("data.size=null", "data.patch=16", "data.spacing=[1,1,1]")),
        (3, ("data.size=96",)),
    ],
)
def test_the_size_of_a_voxel_is_that_which_the_pipeline_makes(dims: int, words: tuple[str, ...]) -> None:
    shape, spacing = ((128, 192), (1.0, 1.0)) if dims == 2 else ((40, 40, 40), (2.0, 2.0, 2.0))
    plain = composed(["task=detection", "data=folder", f"data.spatial_dims={dims}", *words])
    facts: dict[str, Any] = {"shape": tuple(map(float, shape)), "spacing": spacing}
    draft = Draft(made_up(dims, **facts), plain, (), "detection")
    size = plain["data"]["size"]
    preparation = Preparation(
        dims, orientation="RAS", spacing=plain["data"]["spacing"], resize=plain["data"]["resize"],
        size=tuple(size) if isinstance(size, list) else size,
    )  # fmt: skip
    source = Grid(np.diag([*spacing, *[1.0] * (4 - dims)]), shape)
    step = np.linalg.inv(source.affine) @ preparation.grid(source).affine
    sides = np.abs(np.linalg.det(step[:dims, :dims])) ** (1 / dims)
    assert zoom_of(draft) == pytest.approx(1 / sides, rel=1e-6)


def test_cells_suit_boxes_of_volumes_that_are_cut_and_not_made_smaller(drafted: Drafted) -> None:
    draft = drafted(
        "detection", "data.size=null", dims=3, shape=(400.0, 400.0, 300.0), smallest=10.0,
        box_side=(7.0, 10.0, 15.0), **BOXES,
    )  # fmt: skip
    assert draft.words()["data.patch"] == [64, 64, 64]
    assert draft.words()["model.generator.stride"] == 2
    assert draft.rows["model.generator.stride"].why == "boxes of the smallest class measure 10 pixels"
    for smallest, stride in (
        (3.0, 1),
        (7.5, 2),
    ):  # eight times the cells of a stride of 2 are not paid for 7 voxels
        facts = {**BOXES, "shape": (96.0, 96.0, 64.0), "smallest": smallest, "box_side": (7.0, 8.0, 12.0)}
        small = drafted("detection", "data.size=null", dims=3, **facts)
        assert small.words()["model.generator.stride"] == stride


def test_small_objects_of_huge_pictures_are_cut_out_unless_others_are_large(drafted: Drafted) -> None:
    facts = BOXES | {"shape": (3000.0, 4000.0), "smallest": 12.0}
    cut = drafted("detection", **facts, box_side=(9.0, 12.0, 20.0)).words()
    assert (cut["data.size"], cut["data.patch"]) == (None, [512, 512])
    assert cut["model.generator.stride"] == 2
    whole = drafted("detection", **facts, box_side=(9.0, 12.0, 20.0), greatest=900.0).words()
    assert whole["data.size"] == [480, 640]
    assert whole["model.generator.body.strides"] == [2, 2, 2]  # 140 cells of the smaller image


def test_oblong_pictures_are_no_squares(drafted: Drafted) -> None:
    draft = drafted("segmentation", shape=(120.0, 900.0), modality="picture", **LABELS)
    size = draft.words()["data.size"]
    assert 0.1 < size[0] / size[1] < 0.15
    assert 128**2 <= size[0] * size[1] < 1.5 * 128**2
    strip = LABELS | {"thickness": {"organ": 2.0}}
    thin = drafted("segmentation", shape=(100.0, 2000.0), modality="picture", **strip).words()
    assert (thin["data.size"], thin["data.patch"]) == (None, [112, 192])


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("data.size=[64,64,null]", (64, 64, 40)),  # `Preparation` takes null, and fewer numbers than axes
        ("data.size=[64,64]", (64, 64, 40)),
        ("data.size=[64,64,300]", (64, 64, 64)),  # no patch is wider than the size
        ("data.spacing=[2,2]", (64, 64, 40)),
    ],
)
def test_settings_of_some_axes_leave_the_others_as_they_are(word: str, shape: tuple[int, ...]) -> None:
    size = [] if "size" in word else ["data.size=null"]
    plain = composed(["task=segmentation", "data=folder", "data.spatial_dims=3", *size, word])
    facts = LABELS | {"shape": (128.0, 128.0, 40.0)}
    draft = Draft(made_up(3, **facts), plain, (word.partition("=")[0],), "segmentation")
    rules.apply(draft)
    assert shape_of(draft) == shape


@pytest.mark.parametrize(("aspects", "resize"), [(1.0, None), (1.5, "stretch"), (6.3, "letterbox")])
def test_shapes_are_not_stretched_beyond_recognition(
    aspects: float, resize: str | None, drafted: Drafted
) -> None:
    words = drafted("segmentation", modality="picture", aspects=aspects, **LABELS).words()
    assert words.get("data.resize") == resize


def test_slices_are_made_smaller_and_not_cut_to_their_middle(drafted: Drafted) -> None:
    facts = LABELS | {"shape": (512.0, 512.0), "thickness": {"organ": 60.0}, "sliced": True}
    draft = drafted("segmentation", **facts)
    words = draft.words()
    assert (words["data.size"], words["data.resize"]) == (128, "letterbox")
    preparation = Preparation(2, size=128, resize=words["data.resize"])
    assert preparation.kept(Grid(np.diag([0.7, 0.7, 5.0, 1.0]), (512, 512, 20))) == 1.0
    assert Preparation(2, size=128).kept(Grid(np.diag([0.7, 0.7, 5.0, 1.0]), (512, 512, 20))) < 0.1


@pytest.mark.parametrize(
    ("dims", "shape", "largest", "patch"),
    [
        (3, (72.0, 60.0, 11.0), (80.0, 60.0, 11.0), [80, 64, 16]),  # whole: segmented so without a word, too
        (2, (200.0, 250.0), (210.0, 256.0), [224, 256]),
        (2, (900.0, 900.0), (1000.0, 1000.0), 384),  # 384 x 384 at most
    ],
)
def test_images_that_keep_their_size_are_cut_as_they_may_differ(
    dims: int, shape: tuple[float, ...], largest: tuple[float, ...], patch: Any, drafted: Drafted
) -> None:
    """A batch has one shape; `check` of the files as they are has data.size=null, and a plan keeps it."""
    facts = {**LABELS, "shape": shape, "largest": largest, "spacing": (1.0,) * dims, "finest": (1.0,) * dims}
    words = drafted("segmentation", "data.size=null", dims=dims, given=("data.size",), **facts).words()
    assert words["data.patch"] == patch and "data.size" not in words


def test_pairs_of_few_slices_are_not_padded_to_cubes(drafted: Drafted) -> None:
    facts = {"shape": (512.0, 512.0, 12.0), "spacing": (0.7, 0.7, 5.0), "has": ("target",)}
    draft = drafted("enhancement", "data.target=x", dims=3, **facts)
    assert shape_of(draft) == (48, 48, 16)
    cubes = drafted("enhancement", "data.target=x", dims=3, shape=(256.0,) * 3, has=("target",))
    assert cubes.words()["data.patch"] == 48


def test_channels_that_are_no_ct_get_no_window_of_hu(drafted: Drafted) -> None:
    facts = LABELS | {
        "channels": 2,
        "mixed": ("ct", "other"),
        "window": (-100.2, 299.8),
        "window_of": "labels",
    }
    draft = drafted("segmentation", "data.channels=2", dims=3, **facts)
    chosen = draft.words()["data.intensity"]
    assert chosen == [[-100, 300], "zscore"]
    image = np.stack([np.full((4, 4, 4), 100.0), np.arange(64.0).reshape(4, 4, 4)])
    offset, scale = units(image, chosen)
    assert (image[0, 0, 0, 0] - offset[0]) / scale[0] == 0.5
    assert scale[1] == pytest.approx(image[1].std())


def test_the_window_says_where_its_values_are_from(drafted: Drafted) -> None:
    facts = {"modality": "ct", "window": (-1000.0, 40.0), "smallest": 10.0, "box_side": (9.0,) * 3, **BOXES}
    for place, said in (("boxes", "the voxels in boxes"), ("all", "all voxels")):
        draft = drafted("detection", "data.size=null", dims=3, window_of=place, **facts)
        assert draft.rows["data.intensity"].why.endswith(said)


def test_a_ct_made_of_an_mr_has_the_scale_of_hu(drafted: Drafted) -> None:
    facts = {"dims": 3, "has": ("target",), "target_modality": "ct", "target_window": (-1001.0, 1200.4)}
    words = drafted("translation", "data.target=x", **facts).words()
    assert words["data.target_intensity"] == [-1001, 1200]
    same = drafted("translation", "data.target=x", **facts, modality="ct").words()
    assert "data.target_intensity" not in same


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (("background", "lungLeft", "lungRight"), []),
        (("background", "LKidney"), []),
        (("background", "rein_gauche"), []),
        (("background", "RV", "myocardium", "LV"), []),
        (("background", "LV"), [1]),  # no other side to take it for
        (("background", "L1", "L2", "T12"), [1]),  # vertebrae
        (("background", "cleft", "bright_spot", "solid"), [1]),
    ],
)
def test_names_tell_sides_apart_however_they_are_written(names: tuple[str, ...], axes: list[int]) -> None:
    draft = Draft(made_up(classes=names), {}, (), "segmentation")
    assert augmentation.flips(draft)[0] == axes


@pytest.mark.parametrize(
    ("strides", "rate", "chosen"),
    [
        ([2, 2, 2, 2], 2e-3, 1e-3),
        ([2, 2, 2, 2], 2e-4, 1e-4),  # half of its own, whatever the model
        ([1, 2, 2, 2], 2e-3, None),  # nnU-Net's first level halves nothing
        ([1, [2, 2, 1], 2, 2, 2], 2e-3, 1e-3),
    ],
)
def test_deep_nets_learn_at_half_the_rate(strides: list[Any], rate: float, chosen: float | None) -> None:
    model = {"generator": {"strides": strides}, "optimizer": {"generator": {"lr": rate}}}
    draft = Draft(made_up(3), {"model": model, "trainer": {}}, (), "segmentation")
    rules.schedule.choose(draft)
    assert draft.words().get("model.optimizer.generator.lr") == chosen


def test_a_translators_own_network_keeps_its_width_and_its_kind(drafted: Drafted) -> None:
    """Deep supervision is of segmentation, and this model has no group of generators to choose from."""
    flat = {"shape": (256.0, 256.0, 14.0), "spacing": (0.7, 0.7, 5.0), "has": ("target",)}
    words = ["data.target=x", "model=translation_nnsyn"]
    draft = drafted("translation", *words, dims=3, **flat)
    assert "model/generator" not in draft.words()
    assert draft.get("model.generator.channels")[0] == 32
    own = [word for key, value in draft.words().items() for word in words_of(key, value)]
    composed([*own, "task=translation", "data=folder", "data.spatial_dims=3", *words], check=True)
