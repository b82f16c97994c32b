"""Calibration against torchmetrics, scikit-learn and planted faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from ganatomy.metrics.calibration.boxes import box_reliability
from ganatomy.metrics.calibration.label_maps import LabelCalibration
from ganatomy.metrics.calibration.reliability import Reliability, bin_edges, brier
from ganatomy.metrics.detection.table import Image
from ganatomy.metrics.registry import SCORES

CLASSES = ("background", "grey", "white")


def probabilities(seed: int, *shape: int, classes: int = 3, sharp: float = 2.0) -> np.ndarray:
    logits = sharp * np.random.default_rng(seed).normal(size=(classes, *shape))
    odds = np.exp(logits)
    return odds / odds.sum(0)


def drawn(given: np.ndarray, seed: int) -> np.ndarray:
    """Labels that come up as often as their probabilities say."""
    level = np.random.default_rng(seed).random(given.shape[1:])
    return (level > given.cumsum(0)[:-1]).sum(0)


@pytest.mark.parametrize("bins", [5, 15, 20])
def test_the_error_is_that_of_torchmetrics(bins: int) -> None:
    """No probability is exactly 1, which torchmetrics 1.9 puts into a further bin of its own."""
    given = probabilities(0, 4000)
    truth = np.random.default_rng(1).integers(0, 3, 4000)
    top = Reliability.of(given.max(0), given.argmax(0) == truth, bins)
    tensors = torch.from_numpy(given.T.copy()), torch.from_numpy(truth)
    assert top.ece == pytest.approx(float(multiclass_calibration_error(*tensors, 3, bins, "l1")), abs=1e-6)
    assert top.mce == pytest.approx(float(multiclass_calibration_error(*tensors, 3, bins, "max")), abs=1e-6)
    p, yes = torch.from_numpy(given[1]), torch.from_numpy((truth == 1).astype(np.int64))
    # torchmetrics' binary error takes p as the confidence and the label as the accuracy
    found = Reliability.of(given[1], truth == 1, bins).ece
    assert found == pytest.approx(float(binary_calibration_error(p, yes, bins, "l1")), abs=1e-6)


@pytest.mark.parametrize("values", ["random", "on the edges"])
def test_the_curve_is_that_of_scikit_learn(values: str) -> None:
    rng = np.random.default_rng(2)
    p = rng.random(3000) if values == "random" else rng.integers(0, 11, 3000) / 10
    yes = rng.random(3000) < p**2
    ours = Reliability.of(p, yes, 10)
    theirs, mean = calibration_curve(yes, p, n_bins=10)
    there = ours.count > 0
    assert np.allclose(ours.frequency[there], theirs) and np.allclose(ours.confidence[there], mean)
    assert ours.count.sum() == 3000


def test_brier_is_that_of_scikit_learn() -> None:
    three, two = probabilities(3, 200), probabilities(4, 200, classes=2)
    rng = np.random.default_rng(5)
    truth, yes = rng.integers(0, 3, 200), rng.integers(0, 2, 200)
    assert brier(three, truth) == pytest.approx(brier_score_loss(truth, three.T, labels=[0, 1, 2]))
    assert brier(two, yes) == pytest.approx(brier_score_loss(yes, two[1]))
    assert np.isnan(brier(three[:, :0], truth[:0]))


def test_what_comes_true_as_promised_is_calibrated_and_what_does_not_is_found() -> None:
    given = probabilities(6, 200_000)
    truth = drawn(given, 7)
    honest = LabelCalibration(CLASSES)
    honest.update("a", given, truth)
    sharpened = given**3 / (given**3).sum(0)
    boastful = LabelCalibration(CLASSES)
    boastful.update("a", sharpened, truth)
    good, bad = honest.compute(), boastful.compute()
    assert good["ece"] < 0.006 and abs(good["overconfidence"]) < 0.006
    assert bad["ece"] > 0.1 and bad["overconfidence"] > 0.1
    assert bad["ece/grey"] > 0.05 > good["ece/grey"] and good["brier"] < bad["brier"]


def test_sure_background_hides_nothing() -> None:
    """A model that is wrong in the lesion alone looks calibrated over all pixels, not in the region."""
    sure = np.stack([np.full(99_000, 0.9995), np.full(99_000, 0.0005)])
    lesion = np.stack([np.full(1000, 0.1), np.full(1000, 0.9)])
    truth = np.concatenate([np.zeros(99_000, int), np.random.default_rng(0).random(1000) < 0.5])
    scores = LabelCalibration(("background", "lesion"))
    scores.update("a", np.concatenate([sure, lesion], 1), truth)
    found = scores.compute()
    assert found["ece"] < 0.01 and found["ece_foreground"] == pytest.approx(0.4, abs=0.05)


def test_a_region_chosen_by_the_prediction_keeps_a_calibrated_model_calibrated() -> None:
    lesion = np.random.default_rng(1).choice([0.001, 0.05, 0.2, 0.6], 200_000, p=[0.7, 0.1, 0.1, 0.1])
    truth = np.random.default_rng(2).random(200_000) < lesion
    scores = LabelCalibration(("background", "lesion"))
    scores.update("a", np.stack([1 - lesion, lesion]), truth.astype(int))
    assert scores.compute()["ece_foreground"] < 0.01


def test_cases_add_up_to_the_pixels_of_all() -> None:
    parts = [
        (probabilities(n, 20 + n, 30), np.random.default_rng(n).integers(0, 3, (20 + n, 30)))
        for n in range(3)
    ]
    scores = LabelCalibration(CLASSES)
    for n, (given, truth) in enumerate(parts):
        scores.update(f"case {n}", given, truth)
    scores.update("case 0", *parts[1])  # a case that comes twice counts once
    whole = LabelCalibration(CLASSES)
    flat = np.concatenate([given.reshape(3, -1) for given, _ in parts], 1)
    whole.update("all", flat, np.concatenate([truth.ravel() for _, truth in parts]))
    assert scores.compute() == pytest.approx(whole.compute())
    rows = scores.per_case()
    assert [row["case"] for row in rows] == ["case 0", "case 1", "case 2"]
    assert rows[1]["ece"] == Reliability.of(parts[1][0].max(0), parts[1][0].argmax(0) == parts[1][1]).ece


def test_boxes_that_match_as_often_as_their_scores_say() -> None:
    box = np.array([[0.0, 0.0, 4.0, 4.0]])
    images = []
    for n, score in enumerate([0.25] * 4 + [0.75] * 4):
        hit = n % 4 == 0 if score == 0.25 else n % 4 != 0
        truth = box if hit else box + 50
        images.append(
            Image(
                str(n),
                box,
                np.array([score]),
                np.array([0]),
                truth,
                np.array([0]),
                np.array([64, 64]),
                box,
                truth,
            )
        )
    found = box_reliability(images)
    assert found.ece == pytest.approx(0) and found.count.sum() == 8
    other = [Image(**{**vars(image), "truth_classes": np.array([1])}) for image in images]
    assert box_reliability(other).overconfidence == pytest.approx(0.5)
    assert np.isnan(box_reliability([]).ece)


def test_each_score_has_an_entry_and_each_entry_a_score() -> None:
    scores = LabelCalibration(CLASSES)
    scores.update("a", probabilities(0, 50), np.zeros(50, int))
    given = {name.split("/")[0] for name in scores.compute()} | {"aurc", "excess_aurc"}
    assert given == {name for name, score in SCORES.items() if score.after}


@pytest.mark.parametrize("fault", ["shape", "range", "nan", "label", "edges"])
def test_a_mistake_is_named(fault: str) -> None:
    given, truth = probabilities(0, 10), np.zeros(10, int)
    with pytest.raises(
        ValueError, match={"shape": "expected", "edges": "ascend"}.get(fault, "case 7|outside|finite")
    ):
        if fault == "shape":
            LabelCalibration(CLASSES).update("case 7", given[:, :5], truth)
        elif fault == "range":
            Reliability.of([0.5, 1.2], [0, 1])
        elif fault == "nan":
            Reliability.of([0.5, np.nan], [0, 1])
        elif fault == "label":
            LabelCalibration(CLASSES).update("case 7", given, truth + 3)
        else:
            bin_edges([0, 0.5, 0.5, 1])
    assert np.isnan(Reliability.of([], []).ece)
