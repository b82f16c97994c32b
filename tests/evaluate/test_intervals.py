"""Intervals against scipy and brute force, and their coverage of a planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from ganatomy.evaluate.intervals import difference, intervals, pooled
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image
from ganatomy.metrics.segmentation import VolumeScores


def rows_of(values: np.ndarray, subjects: np.ndarray | None = None) -> list[dict[str, object]]:
    owners = np.arange(len(values)) if subjects is None else subjects
    return [
        {"case": f"c{n}", "psnr": float(value), "subject": int(owner)}
        for n, (value, owner) in enumerate(zip(values, owners, strict=True))
    ]


def test_a_mean_over_cases_of_their_own_subjects_has_students_interval() -> None:
    values = np.random.default_rng(0).normal(30, 2, 12)
    found = intervals({"psnr": values.mean()}, rows_of(values))["psnr"]
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.cases, found.subjects, found.method) == (12, 12, "t")


def test_cases_of_a_subject_stay_together() -> None:
    """Ten copies of each subject's case say no more than one."""
    values = np.random.default_rng(0).normal(30, 2, 6)
    alone = intervals({"psnr": values.mean()}, rows_of(values))["psnr"]
    many = rows_of(np.repeat(values, 10), np.repeat(np.arange(6), 10))
    found = intervals({"psnr": values.mean()}, many)["psnr"]
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert (found.cases, found.subjects) == (60, 6)


def test_intervals_hold_the_truth_in_95_of_100_studies() -> None:
    draw = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        people = draw.normal(0, 1, 8)
        values = np.repeat(people, 3) + draw.normal(0, 0.3, 24)
        one = intervals({"psnr": values.mean()}, rows_of(values, np.repeat(np.arange(8), 3)))["psnr"]
        hits += one.low <= 0 <= one.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize("rows", [[], rows_of(np.array([30.0])), rows_of(np.arange(3.0), np.zeros(3))])
def test_one_subject_has_no_interval(rows: list[dict[str, object]]) -> None:
    assert intervals({"psnr": 1.0}, rows) == {}


def test_a_score_that_the_rows_do_not_give_has_none() -> None:
    assert intervals({"psnr": 12.0, "fid": 1.0}, rows_of(np.array([30.0, 31.0, 35.0]))) == {}


def test_the_mean_over_classes_is_that_of_the_table() -> None:
    """A class that some cases lack: the mean of cases' means is another number."""
    import torch

    draw = np.random.default_rng(0)
    table = VolumeScores(("background", "a", "b"))
    for number in range(8):
        truth = draw.integers(0, 3 if number % 2 else 2, (12, 12))
        guess = np.where(draw.random((12, 12)) < 0.3, 1, truth)
        table.update(f"c{number}", torch.tensor(guess), torch.tensor(truth), (1.0, 1.0))
    rows = [row | {"subject": number} for number, row in enumerate(table.per_case())]
    scores = {name: float(value) for name, value in table.compute().items()}
    assert pooled(rows)["dice"] == pytest.approx(scores["dice"], abs=1e-6)
    assert np.nanmean([row["dice"] for row in rows]) != pytest.approx(scores["dice"], abs=1e-3)
    found = intervals(scores, rows)
    assert found["dice"].method == "bootstrap" and found["dice"].low < scores["dice"] < found["dice"].high
    assert found["dice/b"].cases == 4 and found["dice/a"].cases == 8


def test_ranks_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    ill = draw.integers(0, 2, 40)
    score = draw.normal(ill, 1)
    rows = [
        {"case": str(n), "score": float(s), "anomalous": int(i), "subject": n // 2}
        for n, (s, i) in enumerate(zip(score, ill, strict=True))
    ]
    scores = {"auroc": roc_auc_score(ill, score), "ap": average_precision_score(ill, score)}
    assert pooled(rows) == pytest.approx(scores)
    for name, one in intervals(scores, rows).items():
        assert one.low < scores[name] < one.high and one.method == "bootstrap" and one.subjects == 20


def test_counts_of_boxes_are_the_tables() -> None:
    draw, table = np.random.default_rng(0), DetectionTable(("lesion",), 2)
    for number in range(12):
        truth = np.array([[4, 4, 12, 12]], float)[: number % 3]
        boxes = np.array([[4, 4, 12, 12 - number % 4], [20, 20, 25, 25]], float)
        scores, kinds = draw.random(2), np.zeros(2, int)
        shape = np.array([32, 32])
        table.update(
            Image(f"c{number}", boxes, scores, kinds, truth, np.zeros(len(truth), int), shape, boxes, truth)
        )
    rows = [row | {"subject": number} for number, row in enumerate(table.per_case())]
    scores = {name: float(value) for name, value in table.compute().items()}
    found = intervals(scores, rows)
    for name in ("sensitivity", "precision", "fp_healthy"):
        assert pooled(rows)[name] == pytest.approx(scores[name], abs=1e-6)
        assert found[name].low <= scores[name] <= found[name].high


def test_a_paired_difference_is_found_where_there_is_one() -> None:
    draw = np.random.default_rng(0)
    ours = rows_of(draw.normal(30, 3, 20))
    noise = draw.normal(0, 0.1, 20)
    worse = [row | {"psnr": float(row["psnr"]) - 0.5 + n} for row, n in zip(ours, noise, strict=True)]
    gap = difference("psnr", ours, list(reversed(worse))[:18])
    assert gap is not None and gap.low > 0.3 and gap.high < 0.7 and gap.cases == 18
    assert difference("psnr", ours[:1], worse) is None and difference("ssim", ours, worse) is None


def test_precision_of_boxes_is_drawn_by_subject() -> None:
    """Subjects alike give no width; two kinds of subjects give that of the brute-force draws."""
    truth, kinds, shape = np.array([[4, 4, 12, 12]], float), np.zeros(1, int), np.array([32, 32])
    alike, mixed = DetectionTable(("lesion",), 2), DetectionTable(("lesion",), 2)
    for number in range(8):
        far = truth + 15
        alike.update(Image(f"c{number}", truth, np.ones(1), kinds, truth, kinds, shape, truth, truth))
        boxes = truth if number < 4 else far
        mixed.update(Image(f"c{number}", boxes, np.ones(1), kinds, truth, kinds, shape, boxes, truth))
    subjects = {f"c{number}": number // 2 for number in range(8)}
    assert alike.bootstrap(subjects)["map50"] == (1.0, 1.0)
    low, high = mixed.bootstrap(subjects, draws=2000)["map50"]
    draw = np.random.default_rng(3)
    hits = draw.choice([1.0, 1.0, 0.0, 0.0], (2000, 4)).mean(
        1
    )  # equal scores: precision = recall = share of hits
    assert (low, high) == pytest.approx(tuple(np.percentile(hits**2, (2.5, 97.5))), abs=0.02)
