"""Fingerprints of planted data sets, against numbers by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import IGNORED, Case, Record
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.planning import survey
from ganatomy.planning.collector import Collector, overlaps, thickness
from ganatomy.planning.fingerprint import Fingerprint
from tests.planning.planted import Planted


def of_cases(dims: int, cases: list[Case], **more: Any) -> Fingerprint:
    """The fingerprint of training cases alone."""
    source = Planted(dims, cases, **more)
    collector = Collector(source, Preparation(dims))
    records = source.records()
    for record in records:
        collector.add(record, source.load(record))
    return collector.fingerprint(records, "hash")


def volume(shape: tuple[int, ...], spacing: tuple[float, ...], low: float = 0.0) -> Case:
    """A volume of RAS files, whose axes PLS turns to (second, first, third)."""
    rng = np.random.default_rng(0)
    image = rng.uniform(low, 1000.5, (1, *shape)).astype(np.float32)
    image[0, 0, 0, 0] = low
    return {"image": image, "affine": np.diag([*spacing, 1.0]), "spacing": np.array(spacing)}


def test_shapes_and_spacings_are_those_of_the_turned_volumes() -> None:
    found = of_cases(3, [volume((20, 30, 10), (1.0, 0.8, 5.0)), volume((20, 34, 12), (1.0, 0.8, 2.5))])
    assert found.shape == (32.0, 20.0, 11.0)
    assert found.spacing == pytest.approx((0.8, 1.0, 3.75))
    assert found.finest == pytest.approx((0.8, 1.0, 2.75))  # 2.5 + 0.1 * 2.5
    assert found.uneven == pytest.approx(2.0)
    assert found.anisotropy == pytest.approx(3.75 / 0.8)


@pytest.mark.parametrize(("low", "modality"), [(-1000.0, "ct"), (0.0, "other"), (-400.0, "other")])
def test_a_ct_is_told_by_its_air(low: float, modality: str) -> None:
    assert of_cases(3, [volume((8, 8, 8), (1, 1, 1), low)]).modality == modality


def test_an_mr_that_was_padded_with_one_low_value_is_no_ct() -> None:
    padded = volume((8, 8, 8), (1, 1, 1), 10.0)
    padded["image"][:, :2] = -1000.0
    assert of_cases(3, [padded]).modality == "other"
    padded["image"][:, 1] += np.arange(8)  # air with noise
    assert of_cases(3, [padded]).modality == "ct"


def test_pictures_of_8_bits() -> None:
    grey = {"image": np.arange(256.0).reshape(1, 16, 16), "affine": np.eye(4), "spacing": np.ones(2)}
    assert of_cases(2, [grey]).modality == "picture"
    assert of_cases(2, [grey | {"image": grey["image"] + 0.5}]).modality == "other"


def test_voxels_cases_and_thickness_of_each_class() -> None:
    plate, empty = np.zeros((1, 40, 40), np.uint8), np.zeros((1, 40, 40), np.uint8)
    plate[0, 10:14] = 1  # 4 x 40: faces 40 + 40 + 4 + 4
    empty[0, 0, 0] = 2
    shared = {"affine": np.eye(4), "spacing": np.ones(2)}
    cases = [{"image": label + 0.5, "label": label, **shared} for label in (plate, empty)]
    found = of_cases(2, cases, classes=("background", "plate", "dot", "never"))
    assert found.voxels == pytest.approx(
        {"background": 3039 / 3200, "plate": 0.05, "dot": 1 / 3200, "never": 0}
    )
    assert found.holds == {"background": 1.0, "plate": 0.5, "dot": 0.5, "never": 0.0}
    assert found.thickness == pytest.approx({"plate": 2 * 160 / 88, "dot": 0.5}, abs=0.01)
    assert found.has == ("label",)


def test_voxels_that_do_not_count_have_no_share() -> None:
    label = np.zeros((1, 10, 10), np.int8)
    label[0, 0], label[0, 1], label[0, 9] = 1, IGNORED, 1
    mask = np.ones((1, 10, 10), bool)
    mask[0, 9] = False
    case = {"image": label + 0.5, "label": label, "affine": np.eye(4), "spacing": np.ones(2)}
    assert of_cases(2, [case], classes=("background", "a")).voxels == pytest.approx(
        {"background": 70 / 90, "a": 20 / 90}
    )
    found = of_cases(2, [case | {"mask": mask}], classes=("background", "a"))
    assert found.voxels == pytest.approx({"background": 70 / 80, "a": 10 / 80})


def test_thickness_of_a_disc_and_of_nothing() -> None:
    rows, columns = np.ogrid[:101, :101]
    disc = (rows - 50) ** 2 + (columns - 50) ** 2 <= 40**2
    assert thickness(disc) == pytest.approx(0.39 * 80, rel=0.02)  # 2 pi r^2 / 8 r
    assert thickness(np.zeros((3, 3), bool)) == 0.0


def test_boxes_by_number_side_class_and_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 24, 29]], float)
    shared = {"image": np.ones((1, 64, 64)) / 2, "affine": np.eye(4), "spacing": np.ones(2)}
    cases = [
        shared | {"boxes": boxes, "classes": np.array([0, 0, 1])},
        shared | {"boxes": np.zeros((0, 4)), "classes": np.zeros(0, int)},
    ]
    found = of_cases(2, cases, box_classes=("large", "small"))
    assert found.boxes == (1, 3)
    assert found.box_side[1] == pytest.approx(10.0)
    assert found.smallest == pytest.approx(6.0)  # the root of 4 times 9
    assert found.greatest == pytest.approx(10.0)
    grown = shared | {
        "boxes": np.array([[0, 0, n, n] for n in range(1, 12)], float),
        "classes": np.zeros(11, int),
    }
    assert of_cases(2, [grown], box_classes=("large", "small")).greatest == pytest.approx(10.0)  # of 1 to 11
    assert np.allclose(overlaps(boxes), [1 / 3, 1 / 3, 0])
    assert found.crowding == pytest.approx(1 / 3, abs=0.01)


def test_only_training_cases_count() -> None:
    source = Planted(3, [volume((8, 8, 8), (1, 1, 1)), volume((80, 80, 80), (1, 1, 1))])
    records = source.records()
    records[1] = replace(records[1], split="test")
    collector = Collector(source, Preparation(3))
    for record in records:
        collector.add(record, source.load(record))
    found = collector.fingerprint(records, "")
    assert found.largest == (8.0, 8.0, 8.0)
    assert found.cases == {"train": 1, "val": 0, "test": 1}


def test_plain_values_and_back() -> None:
    found = of_cases(3, [volume((8, 9, 10), (1, 1, 2))])
    assert Fingerprint.from_plain(found.to_plain()) == found


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., tuple[DataModule, Planted]]:
    def of(value: float = 0.5, number: int = 6) -> tuple[DataModule, Planted]:
        cases = [volume((8, 8, 8), (1, 1, 1)) for _ in range(number)]
        cases[0]["image"][0, 1, 1, 1] = value
        source = Planted(3, cases, split=None)
        return DataModule(source, batch_size=1, cache_dir=str(tmp_path)), source

    return of


def test_a_data_set_is_read_once_while_its_content_stays(data: Any) -> None:
    first, source = data()
    found = survey.surveyed(first)
    assert len(source.loaded) == found.cases["train"]
    again, source = data()
    assert survey.surveyed(again) == found
    assert not source.loaded
    other, source = data(value=0.75)
    assert survey.surveyed(other).content != found.content
    assert source.loaded


def test_slices_and_volumes_of_the_same_files_are_remembered_apart(tmp_path: Path) -> None:
    found = []
    for dims in (3, 2):
        source = Planted(dims, [volume((8, 8, 4), (1, 1, 1)) for _ in range(6)], split=None)
        found.append(survey.surveyed(DataModule(source, batch_size=1, cache_dir=str(tmp_path))))
    assert [len(each.shape) for each in found] == [3, 2]
    assert [each.sliced for each in found] == [False, True]


def test_of_many_cases_some_are_read_and_always_the_same(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MOST", 3)
    names = []
    for _ in range(2):
        module, source = data(number=12)
        survey.surveyed(module, remember=False)
        names.append(source.loaded)
    assert len(names[0]) == 3
    assert names[0] == names[1]


def test_the_hash_of_the_content_knows_no_order(data: Any) -> None:
    _, source = data()
    records: list[Record] = source.records()
    assert survey.content_hash(source, records) == survey.content_hash(source, records[::-1])
    assert survey.content_hash(source, records) != survey.content_hash(source, records[1:])


def test_boxes_that_no_run_can_use_do_not_count() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [5, 5, 5, 9], [20, 0, 40, 10], [np.nan] * 4], float)
    case = {"image": np.ones((1, 30, 30)) / 2, "affine": np.eye(4), "spacing": np.ones(2)}
    cases = [case | {"boxes": boxes, "classes": np.array([0, 1, 1, 0, 0])}]
    found = of_cases(2, cases, box_classes=("a", "b"))
    assert found.boxes == (2, 2) and found.smallest == 10.0 and found.crowding == 0.0


def test_the_window_is_of_what_is_labelled_or_boxed() -> None:
    image = np.full((1, 20, 20, 20), -1000.0)
    image[0, 5:10, 5:10, 5:10], image[0, 0, 0, 0] = 40.0, 900.0
    shared = {"image": image, "affine": np.eye(4), "spacing": np.ones(3)}
    box = {"boxes": np.array([[5.0, 5, 5, 10, 10, 10]]), "classes": np.array([0])}
    nothing = {"boxes": np.zeros((0, 6)), "classes": np.zeros(0, int)}
    found = of_cases(3, [shared | box, shared | nothing], box_classes=("nodule",))
    assert (found.window, found.window_of) == ((40.0, 40.0), "boxes")  # a case without one has no share
    label = np.zeros((1, 20, 20, 20), np.uint8)
    label[0, 5:10, 5:10, 5:10] = 1
    found = of_cases(3, [shared | {"label": label}], classes=("background", "organ"))
    assert (found.window, found.window_of) == ((40.0, 40.0), "labels")
    found = of_cases(3, [shared])
    assert (found.window, found.window_of) == ((-1000.0, 40.0), "all")  # 125 of 8000 voxels


def test_channels_have_a_modality_each() -> None:
    ct, pet = volume((8, 8, 8), (1, 1, 1), -1000.0), volume((8, 8, 8), (1, 1, 1), 0.0)
    both = ct | {"image": np.concatenate([pet["image"], ct["image"]])}
    found = of_cases(3, [both])
    assert (found.modality, found.mixed) == ("other", ("other", "ct"))
    assert found.window == of_cases(3, [ct]).window
    assert of_cases(3, [ct]).mixed == of_cases(3, [pet]).mixed == ()
    assert (of_cases(3, [pet | {"target": ct["image"]}]).target_modality) == "ct"


@pytest.mark.parametrize(
    ("known", "low", "kind"),
    [("MR", -2000.0, "other"), ("CT", -160.0, "ct"), ("", -2000.0, "ct"), ("", -160.0, "other")],
    ids=["MR with padding", "CT that was cut", "air", "no air"],
)
def test_what_headers_say_goes_before_what_values_look_like(known: str, low: float, kind: str) -> None:
    case = volume((8, 8, 8), (1, 1, 1), low)
    source = Planted(3, [case])
    source.modalities, source.target_modality = (known,), known  # type: ignore[attr-defined]
    collector = Collector(source, Preparation(3))
    collector.add(source.records()[0], case | {"target": case["image"]})
    found = collector.fingerprint(source.records(), "")
    assert (found.modality, found.target_modality) == (kind, kind)


def test_grey_that_was_saved_as_colours_is_no_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (1, 16, 16)).astype(np.uint8)
    shared = {"affine": np.eye(4), "spacing": np.ones(2)}
    assert not of_cases(2, [shared | {"image": np.repeat(grey, 3, 0)}]).coloured
    assert of_cases(2, [shared | {"image": np.concatenate([grey, grey, 255 - grey])}]).coloured


def test_the_thickness_that_a_network_of_slices_sees() -> None:
    label = np.zeros((1, 40, 40, 5), np.uint8)
    label[0, :, 10:14, 2] = 1  # 4 wide in a slice, 1 thick across slices
    case = {"image": label + 0.5, "label": label, "affine": np.diag([0.5, 0.5, 8, 1]), "spacing": np.ones(3)}
    found = {dims: of_cases(dims, [case], classes=("background", "plate")) for dims in (2, 3)}
    assert found[2].thickness["plate"] == pytest.approx(2 * 160 / 88, abs=0.01)
    assert found[3].thickness["plate"] == pytest.approx(2 * 160 / (88 + 320), abs=0.01)
