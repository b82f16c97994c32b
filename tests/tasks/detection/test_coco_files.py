"""Boxes written for others: COCO's corners and categories, volumes along the file's own axes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image
from ganatomy.tasks.detection.coco_files import image_of, write_boxes


def image(case: str, dims: int) -> Image:
    low = np.arange(1, dims + 1, dtype=float)
    boxes = np.array([np.r_[low, low * 10], np.r_[low, low + 1]])
    shape = np.array([40, 50, 60][:dims])
    scores, kinds = np.array([0.75, 0.25]), np.array([1, 0])
    nothing = np.zeros_like(boxes)  # the network's grid, which nobody should see
    return Image(case, nothing, scores, kinds, nothing[:1], kinds[:1], shape, boxes, boxes[:1])


def test_pictures_have_x_first_and_coco_s_sides(tmp_path):
    write_boxes(tmp_path, [image("a", 2)], ["rbc", "wbc"], 0.5)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["images"] == [{"id": 1, "file_name": "a", "height": 40, "width": 50}]
    note = truth["annotations"][0]
    assert note["bbox"] == [2, 1, 18, 9] and note["area"] == 18 * 9 and note["category_id"] == 2
    first, second = json.loads((tmp_path / "boxes.json").read_text())
    assert first == {"image_id": 1, "category_id": 2, "bbox": [2, 1, 18, 9], "score": 0.75}
    assert second["category_id"] == 1
    rows = list(csv.DictReader((tmp_path / "boxes.csv").read_text().splitlines()))
    corners = {"x1": "2.00", "y1": "1.00", "x2": "20.00", "y2": "10.00"}
    assert rows == [{"case": "a", "class": "wbc", "score": "0.7500", **corners}]


def test_volumes_keep_the_order_of_the_file_s_axes(tmp_path):
    write_boxes(tmp_path, [image("v", 3)], ["a", "b"], 0.0)
    assert json.loads((tmp_path / "truth.json").read_text())["annotations"][0]["bbox"] == [1, 2, 3, 9, 18, 27]
    head = (tmp_path / "boxes.csv").read_text().splitlines()
    assert head[0] == "case,class,score,i1,j1,k1,i2,j2,k2" and len(head) == 3


def test_a_run_without_a_box_leaves_empty_files(tmp_path):
    write_boxes(tmp_path, [], ["a"], 0.5)
    assert json.loads((tmp_path / "boxes.json").read_text()) == []
    assert (tmp_path / "boxes.csv").read_text().count("\n") == 1


def test_boxes_in_the_padding_are_cut_to_the_picture():
    """A picture of 20x40, letterboxed to 40x40: its rows begin ten pixels down."""

    class Files:
        def truth(self, case):
            return {"boxes": np.array([[0.0, 0, 5, 5]]), "classes": np.array([0])}

    here = np.eye(4)
    here[0, 3] = -10
    batch = {
        "case": ["a"],
        "image": torch.zeros(1, 1, 40, 40),
        "affine": torch.tensor(here)[None],
        "input_affine": torch.eye(4)[None],
        "input_shape": torch.tensor([[20, 40]]),
        "boxes": [torch.zeros(0, 4)],
        "classes": [torch.zeros(0)],
    }
    found = np.array([[6.0, 4, 16, 14], [0, 0, 9, 9], [12, 2, 20, 9]])
    kept = image_of(batch, 0, Files())((found, np.array([0.9, 0.8, 0.7]), np.array([1, 2, 3])))
    assert kept.file_boxes.tolist() == [[0, 4, 6, 14], [2, 2, 10, 9]]
    assert kept.scores.tolist() == [0.9, 0.7] and kept.classes.tolist() == [1, 3]


def test_more_objects_than_coco_counts_are_all_counted(tmp_path):
    """140 objects in an image, all found: pycocotools stops at 100 of them unless told otherwise."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    low = np.stack(np.meshgrid(np.arange(10), np.arange(14), indexing="ij"), -1).reshape(-1, 2) * 18.0
    truth = np.concatenate([low, low + 16], 1)
    found = truth + rng.uniform(-2, 2, truth.shape)
    scores, kinds = rng.permutation(140) / 140, np.zeros(140, int)
    dense = Image("a", found, scores, kinds, truth, kinds, np.array([180, 252]), found, truth)
    table = DetectionTable(["cell"], 2)
    table.update(dense)
    write_boxes(tmp_path, [dense], ["cell"], 0.0)
    known = coco.COCO(str(tmp_path / "truth.json"))
    judge = COCOeval(known, known.loadRes(str(tmp_path / "boxes.json")), "bbox")
    judge.params.maxDets = [1, 100, 300]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][[0, 5], :, 0, 0]  # [IoU 0.5 and 0.75, recalls, limits]
    ours = table.compute()
    for row, name in enumerate(("map50", "map75")):
        assert float(ours[name]) == pytest.approx(precision[row, :, 2].mean(), abs=1e-6)
        assert precision[row, :, 1].mean() < float(ours[name]) - 0.1
