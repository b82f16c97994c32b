"""Instance maps and boxes stay one: after flips, turns, crops and new spacings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import RandAffined, RandFlipd, RandRotate90d

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.blobs.cells import Cells
from ganatomy.data.sources.blobs.nodules import Nodules
from ganatomy.data.transforms.instances import NO_BOX, renumbered, tightened
from ganatomy.errors import UserError
from tests.data.sources.test_blobs import bounds

FLAT = Cells(subjects=6, size=64, objects=(5, 12))
SOLID = Nodules(subjects=6, size=24, radius=(2.0, 4.0), vessels=2)
BOTH, ALL = ["image", "label"], ["image", "label", "instances"]
AUGMENT: dict[str, Any] = {
    "flip": lambda: RandFlipd(BOTH, prob=1.0, spatial_axis=0),
    "turn": lambda: RandAffined(
        BOTH, prob=1.0, rotate_range=0.5, scale_range=0.2, translate_range=6, mode=["bilinear", "nearest"]
    ),
    "elsewhere": lambda: RandRotate90d(ALL, prob=1.0),
}


@pytest.mark.parametrize("source", [FLAT, SOLID], ids=["2D", "3D"])
@pytest.mark.parametrize("how", [*AUGMENT, "patch"])
def test_boxes_are_the_bounds_of_the_map_after(source, how):
    more = {"patch": 20} if how == "patch" else {"augment": [AUGMENT[how]()]}
    data, objects, dropped = DataModule(source, batch_size=3, cache="none", **more), 0, 0
    for _, batch in zip(range(4), data.train_dataloader(), strict=False):
        for numbers, boxes, classes in zip(batch["instances"], batch["boxes"], batch["classes"], strict=True):
            assert np.array_equal(bounds(numbers[0].numpy()), boxes.numpy()) and len(classes) == len(boxes)
            objects, dropped = objects + len(boxes), dropped + int((numbers == NO_BOX).any())
        assert batch["instances"].dtype == torch.int32
    assert objects > 8 and (dropped or how not in ("patch", "turn"))


def test_label_and_map_move_alike_and_what_lies_outside_is_unknown():
    data = DataModule(FLAT, batch_size=3, cache="none", augment=[AUGMENT["turn"]()])
    batch = next(iter(data.train_dataloader()))
    known = batch["instances"] != NO_BOX
    assert torch.equal((batch["label"] > 0)[known], (batch["instances"] > 0)[known])
    assert 0.5 < float(known.float().mean()) < 1


def test_a_transform_of_others_has_to_name_the_map():
    data = DataModule(FLAT, batch_size=3, cache="none", augment=[RandRotate90d(BOTH, prob=1.0)])
    with pytest.raises(UserError, match=r"not instances; give it keys=\[image,label,instances\]"):
        next(iter(data.train_dataloader()))


def test_dropped_objects_are_unknown_and_the_others_keep_their_order():
    numbers = np.array([[0, 1, 2], [3, 3, -1]], np.int32)
    found = renumbered(numbers, np.array([True, False, True]))
    assert found.tolist() == [[0, 1, NO_BOX], [2, 2, NO_BOX]]


def test_an_object_that_was_cut_away_loses_its_box():
    case = {"instances": np.array([[[1, 0, 3]]]), "boxes": np.zeros((3, 4)), "classes": np.array([4, 5, 6])}
    tightened(case)
    assert case["instances"].tolist() == [[[1, 0, 2]]] and case["classes"].tolist() == [4, 6]
    assert case["boxes"].tolist() == [[0, 0, 1, 1], [0, 2, 1, 3]]


def test_tasks_without_boxes_are_given_no_maps():
    data = DataModule(FLAT, batch_size=2, cache="none", with_boxes=False)
    assert not {"boxes", "classes", "instances"} & set(next(iter(data.train_dataloader())))
