"""Virtual cells and nodules: boxes are the bounds of the map, objects touch, settings are judged."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.data.sources.blobs.cells import Cells
from ganatomy.data.sources.blobs.nodules import Nodules
from ganatomy.errors import UserError


def bounds(numbers: np.ndarray) -> np.ndarray:
    places = [np.argwhere(numbers == number) for number in range(1, numbers.max(initial=0) + 1)]
    return np.array([[*p.min(0), *p.max(0) + 1] for p in places], np.float32).reshape(-1, 2 * numbers.ndim)


@pytest.mark.parametrize("source", [Cells(subjects=4), Nodules(subjects=4, size=32)])
def test_boxes_surround_the_objects_of_the_map_and_label_is_all_of_them(source):
    for record in source.records():
        case = source.load(record)
        assert np.array_equal(case["boxes"], bounds(case["instances"][0]))
        assert np.array_equal(case["label"], case["instances"] > 0)
        assert len(case["classes"]) == len(case["boxes"]) and case["image"].dtype == np.float32


def test_an_image_of_cells_is_dense_and_touching_and_depends_on_its_number_alone():
    source = Cells(subjects=3)
    cases = [source.load(record) for record in source.records()]
    assert all(20 <= len(case["boxes"]) <= 150 for case in cases)
    numbers = cases[0]["instances"][0]
    beside = (numbers[:, 1:] != numbers[:, :-1]) & (numbers[:, 1:] > 0) & (numbers[:, :-1] > 0)
    assert beside.sum() > 50
    inside = cases[0]["image"][0][numbers > 0].mean()
    assert inside > 2 * cases[0]["image"][0][numbers == 0].mean()
    again = Cells(subjects=5).load(Cells(subjects=5).records()[1])
    assert np.array_equal(again["image"], cases[1]["image"])
    other = Cells(subjects=3, cohort_seed=1)
    assert other.fingerprint(other.records()[0]) != source.fingerprint(source.records()[0])
    assert not np.array_equal(other.load(other.records()[0])["image"], cases[0]["image"])


def test_nodules_are_as_bright_as_the_vessels_and_healthy_subjects_have_none():
    source = Nodules(subjects=8, size=32, healthy=0.25)
    records = source.records()
    cases = [source.load(record) for record in records]
    assert [case["class"] for case in cases] == [len(case["boxes"]) > 0 for case in cases]
    assert sum(record.stratum == "healthy" for record in records) == 2
    assert all(not len(c["boxes"]) for r, c in zip(records, cases, strict=True) if r.stratum == "healthy")
    inside = np.concatenate([case["image"][case["instances"] > 0] for case in cases])
    outside = np.concatenate([case["image"][case["instances"] == 0] for case in cases])
    assert (outside > np.median(inside)).mean() > 0.001 and np.median(outside) < -700


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Cells, {"objects": [9, 3]}, "data.objects"),
        (Cells, {"faint": 1.5}, "data.faint=1.5"),
        (Cells, {"size": 8}, "data.size=8"),
        (Cells, {"noise": -1}, "data.noise"),
        (Cells, {"spatial_dims": 3}, "data=nodules"),
        (Nodules, {"spatial_dims": 2}, "data=cells"),
        (Nodules, {"objects": [0, 3]}, "data.objects"),
        (Nodules, {"calibre": [3]}, "data.calibre"),
        (Nodules, {"healthy": -0.1}, "data.healthy"),
    ],
)
def test_settings_out_of_range_are_named(kind, settings, words):
    with pytest.raises(UserError, match=words):
        kind(**settings)
