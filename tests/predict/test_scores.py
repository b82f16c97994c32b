"""Answers of `predict`, scored outside by other libraries, have the scores that training's own test gave."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from ganatomy.predict.command import predict
from tests.predict.test_predict import settings, table

Finished = Callable[[str], Path]


def answered(run: Path, folder: str, output: Path) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """Predict all files of a set; return the rows of the test cases by file, and the run's scores."""
    assert predict(settings(run, run.parent / "files" / folder, output)) == 0
    with (run / "scores.csv").open() as file:
        tested = {row["case"] for row in csv.DictReader(file)}
    rows = {row["input"]: row for row in table(output) if f"{folder}_{row['case']}" in tested}
    assert len(rows) == len(tested)
    return rows, json.loads((run / "metrics.json").read_text())


def test_boxes_by_pycocotools(finished: Finished, tmp_path: Path) -> None:
    run = finished("detection")
    rows, known = answered(run, "images", tmp_path)
    about = json.loads((tmp_path / "images.json").read_text())
    images = [image for image in about["images"] if image["file_name"] in rows]
    truth = []
    for image in images:
        mask = np.asarray(Image.open(run.parent / "files/masks" / image["file_name"]))
        parts, _ = ndimage.label(mask, np.ones((3, 3)))
        for y, x in ndimage.find_objects(parts):
            box = [x.start, y.start, x.stop - x.start, y.stop - y.start]
            entry = {"id": len(truth) + 1, "image_id": image["id"], "category_id": 1, "iscrowd": 0}
            truth.append({**entry, "bbox": box, "area": box[2] * box[3]})
    expected = COCO()
    expected.dataset = {"images": images, "annotations": truth, "categories": about["categories"]}
    expected.createIndex()
    numbers = {image["id"] for image in images}
    boxes = json.loads((tmp_path / "boxes.json").read_text())
    judge = COCOeval(expected, expected.loadRes([b for b in boxes if b["image_id"] in numbers]), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert truth and judge.stats[0] == pytest.approx(known["test/map"], abs=1e-6)
    assert judge.stats[1] == pytest.approx(known["test/map50"], abs=1e-6)


def test_anomalies_by_scikit_learn(finished: Finished, tmp_path: Path) -> None:
    run = finished("anomaly")
    rows, known = answered(run, "images", tmp_path)
    ill = [name.startswith("ill") for name in rows]
    scores = [float(row["score"]) for row in rows.values()]
    assert roc_auc_score(ill, scores) == pytest.approx(known["test/auroc"], abs=1e-6)
    maps = [np.asarray(Image.open(tmp_path / row["output"])) for row in rows.values()]
    masks = [np.asarray(Image.open(run.parent / "files/masks" / Path(name).name)) for name in rows]
    pixels = [np.concatenate([each.ravel() for each in part]) for part in (masks, maps)]
    assert average_precision_score(*pixels) == pytest.approx(known["test/pixel_ap"], abs=1e-6)


def test_images_have_the_type_of_the_targets(finished: Finished, tmp_path: Path) -> None:
    """Images are unsigned, targets are not: an answer in the type of its input would lose what is below 0."""
    run = finished("other types")
    rows, known = answered(run, "image", tmp_path)
    errors = []
    for name, row in rows.items():
        made, truth = nib.load(tmp_path / row["output"]), nib.load(run.parent / "files/target" / name)
        assert made.get_data_dtype() == truth.get_data_dtype() == np.int16
        errors.append(np.abs(made.get_fdata() - truth.get_fdata()).mean())
    assert np.mean(errors) == pytest.approx(known["test/mae"], rel=1e-6)
