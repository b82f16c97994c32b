"""Planted lesions: boxes, masks and contrast are what they claim, on any grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ganatomy.data.sources.files.masks import boxes_of
from ganatomy.data.sources.lesions import GAP, BrainLesions
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError

SMALL = {"subjects": 4, "size": 48, "slices": 12}


def cases(source: BrainLesions, index: int) -> list[dict[str, np.ndarray]]:
    return [source.load(r) for r in source.records() if r.content["index"] == index]


@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_surround_the_parts_of_the_mask(dims):
    source = BrainLesions(**SMALL, spatial_dims=dims)
    found = [case for index in (0, 1) for case in cases(source, index)]
    assert sum(len(case["boxes"]) for case in found) > 0
    for case in found:
        expected = boxes_of(case["label"][0])[0]
        assert case["boxes"].shape == (len(case["classes"]), 2 * dims)
        assert sorted(map(tuple, case["boxes"])) == sorted(map(tuple, expected))
        assert int(case["class"]) == case["label"].any()


def test_a_lesion_adds_its_contrast_and_nothing_elsewhere():
    """Beside the same subject without lesions, before noise; half of the contrast stands at the rim."""
    source = BrainLesions(**SMALL, spatial_dims=3, noise=0)
    plain = BrainLesions(**SMALL, spatial_dims=3, noise=0, healthy=1)
    record = source.records()[0]
    person = source.person(0)
    added = (source.load(record)["image"] - plain.load(record)["image"])[0] / person.white
    inside = source.load(record)["label"][0] > 0
    axes, _ = source._grid()
    far = np.all([lesion.profile(axes) < 1e-4 for lesion in source.plant(0, person)], axis=0)
    assert np.abs(added[far]).max() < 1e-3
    assert (np.abs(added[inside]) > 0.17).mean() > 0.95 and np.abs(added).max() <= 0.7 + 1e-6


def test_lesions_of_both_signs_lie_apart_in_grey_and_white_matter():
    source = BrainLesions()
    planted = [(source.person(i), source.plant(i, source.person(i))) for i in range(12)]
    contrasts = [lesion.contrast for _, lesions in planted for lesion in lesions]
    assert min(contrasts) < 0 < max(contrasts) and np.abs(contrasts).min() >= 0.35
    for person, lesions in planted:
        assert 1 <= len(lesions) <= 5
        for lesion in lesions:
            maps = person.maps([lesion.centre[k : k + 1] for k in range(3)])
            assert maps[2:].sum() > 0.5
            others = [o for o in lesions if o is not lesion]
            half = 1 / np.linalg.norm(lesion.axes, axis=1).max()
            assert all(np.linalg.norm(o.centre - lesion.centre) > half + GAP for o in others)


def test_slices_and_volumes_show_the_same_lesions():
    """Millilitres of lesion from slices 3 mm apart and from cubes of 3 mm."""
    flat = BrainLesions(subjects=3, size=64, slices=45)
    deep = BrainLesions(subjects=3, size=64, spatial_dims=3)
    for index in range(3):
        thick = 130 / 44
        sliced = sum(case["label"].sum() for case in cases(flat, index)) * 9 * thick
        whole = cases(deep, index)[0]["label"].sum() * 27
        assert sliced == pytest.approx(whole, rel=0.1)


def test_the_share_of_healthy_subjects_is_kept():
    source = BrainLesions(subjects=20, healthy=0.25, spatial_dims=3)
    strata = [record.stratum for record in source.records()]
    assert strata.count("healthy") == 5 and strata[:8].count("healthy") == 2
    healthy = source.records()[strata.index("healthy")]
    assert not source.load(healthy)["label"].any() and len(source.load(healthy)["boxes"]) == 0


def test_training_subjects_may_all_be_healthy():
    source = BrainLesions(**SMALL, healthy=0, train_healthy=True)
    records = Splitting((2, 1, 1))(source.records())
    for split, sick in (("train", False), ("val", True), ("test", True)):
        mine = [source.load(record) for record in records if record.split == split]
        assert any(len(case["boxes"]) for case in mine) == sick
    record = replace(records[0], split="train")
    assert source.fingerprint(record) != source.fingerprint(replace(record, split="test"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lesions", 0),
        ("radius", (5, 3)),
        ("strength", (0, 1)),
        ("sign", "grey"),
        ("healthy", 1.5),
        ("softness", 0),
    ],
)
def test_impossible_lesions_are_refused_by_key(key, value):
    with pytest.raises(UserError, match=rf"data\.{key}="):
        BrainLesions(**{key: value})
