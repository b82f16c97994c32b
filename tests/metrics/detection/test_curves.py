"""Average precision, FROC and the threshold, by hand and beside pycocotools."""

from __future__ import annotations

import contextlib
import io
import time

import numpy as np
import pytest
import torch
from monai.data.box_utils import box_iou

from ganatomy.metrics.detection.curves import RATES, average_precision, best_threshold, froc, steps
from ganatomy.metrics.detection.matching import iou, match
from ganatomy.metrics.detection.table import LEAST, DetectionTable, Image

KINDS = ("a", "b", "c")


def some_boxes(rng: np.random.Generator, n: int, dims: int = 2, side: float = 100) -> np.ndarray:
    low = rng.uniform(0, side * 0.8, (n, dims))
    return np.concatenate([low, low + rng.uniform(side * 0.05, side * 0.2, (n, dims))], 1).astype(np.float32)


def picture(name: str, found: tuple, truth: tuple) -> Image:
    boxes, scores, classes = found
    shape = np.full(boxes.shape[1] // 2, 100)
    return Image(name, boxes, scores, classes, *truth, shape, boxes, truth[0])


def scene(rng: np.random.Generator, n: int = 12, dims: int = 2) -> list[Image]:
    """Truth, and a detector that shifts, misses, repeats, mistakes and invents boxes."""
    images = []
    for number in range(n):
        m = 0 if number % 5 == 4 else int(rng.integers(1, 9))
        truth, kinds = some_boxes(rng, m, dims), rng.integers(0, 3, m)
        pick = rng.integers(0, m, int(rng.integers(0, 12))) if m else np.zeros(0, int)
        near = truth[pick] + rng.normal(0, 1.5, (len(pick), 2 * dims))
        boxes = np.concatenate([near, some_boxes(rng, 6, dims)]).astype(np.float32)
        wrong = rng.random(len(pick)) < 0.1
        classes = np.concatenate([np.where(wrong, (kinds[pick] + 1) % 3, kinds[pick]), rng.integers(0, 3, 6)])
        found = (boxes, rng.random(len(boxes)).astype(np.float32), classes)
        images.append(picture(f"case {number:02d}", found, (truth, kinds)))
    return images


def scores(images: list[Image], dims: int = 2, threshold: float | None = None) -> dict[str, float]:
    table = DetectionTable(KINDS, dims)
    table.threshold = threshold
    for image in images:
        table.update(image)
    return {name: float(value) for name, value in table.compute().items()}


def by_coco(images: list[Image]) -> dict[str, float]:
    """The same by pycocotools."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    def xywh(box: np.ndarray) -> list[float]:
        return [float(v) for v in (box[1], box[0], box[3] - box[1], box[2] - box[0])]

    notes, results = [], []
    for number, image in enumerate(images, 1):
        for box, kind in zip(image.truth, image.truth_classes, strict=True):
            area = float((box[2:] - box[:2]).prod())
            note = {"image_id": number, "category_id": int(kind) + 1, "bbox": xywh(box), "area": area}
            notes.append({"id": len(notes) + 1, "iscrowd": 0, **note})
        for box, score, kind in zip(image.boxes, image.scores, image.classes, strict=True):
            row = {"image_id": number, "category_id": int(kind) + 1, "bbox": xywh(box)}
            results.append({**row, "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": n} for n in range(1, len(images) + 1)],
            "annotations": notes,
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(KINDS)],
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    found = {"map": judge.stats[0], "map50": judge.stats[1], "map75": judge.stats[2]}
    for number, kind in enumerate(KINDS):
        found[f"map50/{kind}"] = judge.eval["precision"][0, :, number, 0, 2].mean()
    return found


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed):
    images = scene(np.random.default_rng(seed), 20)
    ours, theirs = scores(images), by_coco(images)
    assert 0.05 < theirs["map50"] < 0.95
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("dims", [2, 3])
def test_iou_is_monai_s(dims):
    rng = np.random.default_rng(dims)
    a, b = some_boxes(rng, 30, dims), some_boxes(rng, 20, dims)
    theirs = box_iou(torch.from_numpy(a).double(), torch.from_numpy(b).double()).numpy()
    assert np.allclose(iou(a, b), theirs, atol=1e-9) and theirs.max() > 0.1


def test_a_true_box_is_taken_once_and_the_best_score_chooses_first():
    truth = np.array([[0, 0, 10, 10], [0, 20, 10, 30]], float)
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [0, 21, 10, 30], [50, 50, 60, 60]], float)
    hits = match(boxes, np.array([0.9, 0.8, 0.7, 0.6]), truth, [0.5, 0.95])
    assert hits.tolist() == [[True, False, True, False], [False, True, False, False]]


@pytest.mark.parametrize("dims", [2, 3])
def test_a_perfect_detector_scores_one_and_an_empty_one_nothing(dims):
    """One object in one image suffices; so does a single score for everything."""
    rng = np.random.default_rng(0)
    for n in (1, 7):
        truth = [(some_boxes(rng, k, dims), rng.integers(0, 3, k)) for k in (n, 0)]
        sure = [
            picture(str(i), (b, np.full(len(b), 0.5, np.float32), k), (b, k))
            for i, (b, k) in enumerate(truth)
        ]
        nothing = (np.zeros((0, 2 * dims), np.float32), np.zeros(0, np.float32), np.zeros(0, int))
        best = scores(sure, dims)
        least = scores([picture(str(i), nothing, t) for i, t in enumerate(truth)], dims)
        assert best.pop("fp_healthy") == 0 and least.pop("fp_healthy") == 0
        assert {v for v in best.values() if np.isfinite(v)} == {1.0}
        assert {v for v in least.values() if np.isfinite(v)} == {0.0}
        assert {name for name, v in best.items() if np.isnan(v)} == {
            f"{score}/{kind}"
            for k, kind in enumerate(KINDS)
            if k not in truth[0][1]
            for score in ("map50", "map75")
        }


def test_nothing_to_find_leaves_only_false_alarms():
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, int))
    box = np.array([[0, 0, 5, 5]], np.float32)
    images = [
        picture(str(i), (box, np.array([0.2 + 0.6 * i], np.float32), np.array([0])), nothing) for i in (0, 1)
    ]
    found = scores(images, threshold=0.5)
    assert found.pop("fp_healthy") == 0.5
    assert all(np.isnan(value) for value in found.values())


def test_average_precision_by_hand():
    """Hits at ranks 1 and 3 of 4 objects: 26 recalls at precision 1, 25 at 2/3, the rest at 0."""
    at = steps(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))
    assert average_precision(at, 4) == pytest.approx((26 + 25 * 2 / 3) / 101)


def test_equal_scores_enter_together_in_any_order():
    """One hit and one false alarm of one score: precision 1/2, whoever was listed first."""
    for hits in ([True, False], [False, True]):
        at = steps(np.array([0.5, 0.5]), np.array(hits))
        assert average_precision(at, 1) == pytest.approx(0.5)
        assert froc(at, 1, 1).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_froc_by_hand():
    """4 images, 5 objects; false alarms after ranks 1, 3 and 4."""
    hits = np.array([True, False, True, False, False, True])
    at = steps(np.linspace(0.9, 0.4, 6), hits)
    assert froc(at, 5, 4).tolist() == pytest.approx([0.2, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6])
    assert RATES[0] == 1 / 8 and RATES[-1] == 8


def test_the_threshold_has_the_largest_f1_and_lies_between_two_scores():
    hits = np.array([True, True, False, True, False])
    at = steps(np.array([0.9, 0.8, 0.7, 0.5, 0.1]), hits)
    assert best_threshold(at, 3) == pytest.approx(0.3)  # 3 hits, 1 false: 6/7; without the fourth 4/5
    assert best_threshold(at, 9) == pytest.approx(0.3)
    assert best_threshold(steps(np.array([0.9]), np.array([False])), 3) is None


def test_scores_do_not_depend_on_order_or_on_how_processes_share_the_images():
    images = scene(np.random.default_rng(7))
    alone = scores(images)
    tables = [DetectionTable(KINDS, 2) for _ in range(2)]
    for place, image in enumerate(reversed([*images, images[0]])):  # the sampler filled up with one
        tables[place % 2].update(image)
    merged = DetectionTable(KINDS, 2)
    for state in ("names", "heads", "found", "truths"):
        parts = [torch.cat(getattr(table, state)) for table in tables]
        setattr(merged, state, torch.cat(parts))
    both = {name: float(value) for name, value in merged.compute().items()}
    assert both == pytest.approx(alone, nan_ok=True)
    assert [row["case"] for row in merged.per_case()] == [image.case for image in images]


def test_counts_of_a_case_at_the_threshold():
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30]], np.float32)
    image = picture(
        "x", (boxes, np.array([0.9, 0.8, 0.3], np.float32), np.zeros(3, int)), (truth, np.zeros(2, int))
    )
    table = DetectionTable(("a",), 2)
    table.threshold = 0.5
    table.update(image)
    assert table.per_case() == [{"case": "x", "objects": 2, "found": 1, "false_positives": 1}]
    found = table.compute()
    assert found["sensitivity"] == 0.5 and found["precision"] == 0.5
    assert table.choose() == pytest.approx(0.3)  # all three: F1 4/5
    own = DetectionTable(("a",), 2)
    own.update(image)
    assert own.compute()["sensitivity"] == 1


def test_sixty_images_of_a_hundred_boxes_are_matched_in_seconds():
    rng = np.random.default_rng(0)
    began = time.process_time()
    table = DetectionTable(KINDS, 2)
    for number in range(60):
        truth = (some_boxes(rng, 40), rng.integers(0, 3, 40))
        found = (some_boxes(rng, 100), rng.random(100).astype(np.float32), rng.integers(0, 3, 100))
        table.update(picture(str(number), found, truth))
    table.compute()
    assert time.process_time() - began < 3


def test_the_least_ious_are_those_of_coco_and_of_lesions():
    assert tuple(k / 100 for k in range(10, 100, 5)) == LEAST
