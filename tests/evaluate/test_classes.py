"""Class numbers of a data set become those of the run, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganatomy.data.records import IGNORED, Case, Record
from ganatomy.errors import UserError
from ganatomy.evaluate.classes import ByName, matched, matched_regions
from ganatomy.tasks.segmentation.classes import Regions


class Planted:
    """Two cases: a label map, boxes and a class each, in the order of the data set's own names."""

    channels, spatial_dims, size = 1, 2, None
    classes = ("nothing", "stone", "cyst")
    box_classes = ("nodule", "scar", "plaque")
    image_classes = ("ill", "normal", "odd")
    root = "here"

    def records(self) -> list[Record]:
        return [Record(f"c{n}", f"s{n}", "test", {"class": n}) for n in range(3)]

    def load(self, record: Record) -> Case:
        return {
            "image": np.zeros((1, 2, 2), np.float32),
            "label": np.array([[[0, 1], [2, 2]]], np.uint8),
            "boxes": np.arange(12, dtype=np.float32).reshape(3, 4),
            "classes": np.array([0, 1, 2]),
            "class": np.asarray(record.content["class"], np.int64),
        }


NAMES = {"label": ("background", "cyst", "stone"), "boxes": ("scar", "nodule"), "class": ("normal", "ill")}


def named(*kinds: str, **more: Any) -> ByName:
    found = matched(Planted(), {kind: NAMES[kind] for kind in kinds}, more.pop("ignored", []), **more)
    return ByName(Planted(), found)


def test_labels_are_renumbered_and_the_background_stays() -> None:
    source = named("label")
    case = source.load(source.records()[0])
    assert case["label"].tolist() == [[[0, 2], [1, 1]]] and case["label"].dtype == np.uint8
    assert source.classes == NAMES["label"] and source.box_classes == Planted.box_classes
    assert source.root == "here", "all else is the source's own"


def test_boxes_of_a_class_that_is_left_out_are_gone() -> None:
    with pytest.raises(UserError, match="knows no class plaque"):
        named("boxes")
    case = named("boxes", ignored=["plaque"]).load(Planted().records()[0])
    assert case["classes"].tolist() == [1, 0] and case["boxes"][:, 0].tolist() == [0, 4]


def test_images_of_an_unknown_class_are_refused_left_out_or_anomalous() -> None:
    with pytest.raises(UserError, match=r"knows no class odd \(it has normal, ill\)"):
        named("class")
    source = named("class", ignored=["odd"])
    assert [record.case for record in source.records()] == ["c0", "c1"]
    assert [int(source.load(record)["class"]) for record in source.records()] == [1, 0]
    source = named("class", open_end=True)
    assert [int(source.load(record)["class"]) for record in source.records()] == [1, 0, 2]
    assert source.image_classes == ("normal", "ill", "odd")


def test_a_label_that_is_left_out_counts_as_background() -> None:
    found = matched(Planted(), {"label": ("background", "cyst", "tumour")}, ["stone"])
    assert ByName(Planted(), found).load(Planted().records()[0])["label"].tolist() == [[[0, 0], [1, 1]]]
    assert any("tumour missing" in note for note in found.notes)


def test_data_without_names_are_refused() -> None:
    class Unnamed(Planted):
        classes = ()

    with pytest.raises(UserError, match=r"data.classes: these data name no classes.*background, cyst"):
        matched(Unnamed(), {"label": NAMES["label"]}, [])


def test_a_value_without_a_name_is_one_line() -> None:
    source = named("label")
    source.source.load = lambda record: {"label": np.array([[[0, 255]]], np.uint8)}
    with pytest.raises(
        UserError, match=r"c0: label value 255, but data.classes names 0 to 2; data.label_values"
    ):
        source.load(source.records()[0])


def test_what_nobody_knows_stays_so() -> None:
    class Unknown(Planted):
        ignore_label = 255

        def load(self, record: Record) -> Case:
            return {"label": np.array([[[IGNORED, 1], [2, 0]]], np.int8)}

    source = ByName(Unknown(), matched(Unknown(), {"label": NAMES["label"]}, []))
    assert source.load(source.records()[0])["label"].tolist() == [[[IGNORED, 2], [1, 0]]]


RUN = Regions(("background", "a", "b"), {"whole": [1, 2], "core": [2]}, [[0, 1], [1, 2]])


@pytest.mark.parametrize(
    "regions, numbers",
    [
        ({"core": [2], "whole": ["stone", "cyst"]}, [0, 1, 2]),
        ({"core": [1], "whole": [1, 2], "other": [2]}, [0, 2, 1]),
    ],
)
def test_classes_are_those_of_the_same_regions(regions: dict[str, Any], numbers: list[int]) -> None:
    """A class gets the number of the run's class that is part of the same regions, whatever its value."""
    found = matched_regions(Planted(), regions, RUN)
    assert found.numbers["label"] == numbers and found.names["label"] == RUN.classes
    assert any("other unknown" in note for note in found.notes) is ("other" in regions)


def test_regions_that_do_not_fit_the_run_are_refused() -> None:
    with pytest.raises(UserError, match="these data have no region core, which the run answers"):
        matched_regions(Planted(), {"whole": [1, 2]}, RUN)
    with pytest.raises(UserError, match="stone is part of core together, and no class of the run is"):
        matched_regions(Planted(), {"core": [1], "whole": [2]}, RUN)
