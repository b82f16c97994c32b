"""Several runs: folds are pooled over their own test cases; runs of one test split answer as one."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ganatomy.errors import UserError
from ganatomy.evaluate.folds import check_folds
from tests.evaluate.conftest import SEGMENTATION, evaluated, pictures, trained

FOLDS = ["data.subjects=6", "data.slices=2", "data.size=32", "data.folds=2", *SEGMENTATION]


def of(train: str, val: str, test: str) -> dict[str, dict[str, str]]:
    """Splits of a run with cases of one letter, whose digest is the letter twice."""
    return {split: {c: 2 * c for c in cases} for split, cases in locals().items()}


def test_folds_of_one_cross_validation_pass() -> None:
    check_folds([of("cd", "e", "ab"), of("ab", "e", "cd"), of("ac", "bd", "e")], ["A", "B", "C"])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            [of("cd", "e", "ab"), of("d", "e", "abc")],
            "run=B: 2 of its 3 test cases are tested by a run before",
        ),
        ([of("cd", "e", "ab"), of("ab", "e", "cd")], r"run: 1 of 5 cases are in no run's test"),
        ([of("cd", "e", "ab"), of("ab", "x", "cd")], "run=B: has other cases than A"),
        ([of("cd", "e", "ab"), {**of("ab", "e", "cd"), "val": {"e": "!"}}], "run=B: has other cases than A"),
    ],
    ids=["overlap", "missing", "other cases", "changed case"],
)
def test_others_are_refused(contents: list[dict[str, dict[str, str]]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_folds(contents, ["A", "B"])


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("folds")
    return [trained(folder / f"fold{n}", *FOLDS, f"data.fold={n}") for n in range(2)]


def test_every_case_is_scored_by_the_run_that_did_not_train_on_it(folds: list[Path], tmp_path: Path) -> None:
    found = evaluated(tmp_path / "out", f"run=[{folds[0]},{folds[1]}]")
    theirs: dict[str, dict[str, str]] = {}
    for run in folds:
        with (run / "scores.csv").open() as file:
            theirs |= {row["case"]: row for row in csv.DictReader(file)}
    assert len(found.rows) == len(theirs) == found.metrics["test/volumes"] == 6
    assert sorted(int(row["subject"]) for row in found.rows) == list(range(6))
    for row in found.rows:
        assert float(row["dice/gm"]) == pytest.approx(float(theirs[row["case"]]["dice/gm"]), abs=1e-6)
    mean = np.mean([float(row["dice/gm"]) for row in theirs.values()])
    assert found.metrics["test/dice/gm"] == pytest.approx(mean, abs=1e-6)
    ours = {row["score"]: row for row in found.intervals if row["source"] == "this run"}
    assert ours["dice/gm"]["subjects"] == ours["dice/gm"]["cases"] == "6"
    assert "fold 0" in found.page and "Scores of each fold" in found.page


def test_what_folds_cannot_answer_is_refused(folds: list[Path], tmp_path: Path) -> None:
    several = f"run=[{folds[0]},{folds[1]}]"
    for word in ("split=val", f"twin={folds[0]}"):
        with pytest.raises(UserError, match="several runs are pooled over their own test cases"):
            evaluated(tmp_path / "out", several, word)
    with pytest.raises(UserError, match="is named twice"):
        evaluated(tmp_path / "out", f"run=[{folds[0]},{folds[0]}]")


def test_runs_of_one_test_split_answer_as_one(
    folder_run: tuple[Path, list[str], Path], tmp_path: Path
) -> None:
    """A run and its copy answer as the run alone; the doubt of two equal members has no disagreement."""
    run, *_ = folder_run
    copy = shutil.copytree(run, tmp_path / "copy")
    found = evaluated(tmp_path / "out", f"run=[{run},{copy}]", "doubt=true", "pictures=3")
    alone = json.loads((run / "metrics.json").read_text())
    assert {name: found.metrics[name] for name in alone} == pytest.approx(alone, nan_ok=True, abs=1e-6)
    assert all(abs(float(row["mutual_information"])) < 1e-6 for row in found.rows)
    assert {"test/ece", "test/brier", "test/aurc/entropy"} <= found.metrics.keys()
    assert found.page.count("<img") == 4  # cases, scores of each, reliability, risk and coverage
    words = pictures(tmp_path / "new", 4, seed=3)
    assert len(evaluated(tmp_path / "out2", f"run=[{run},{copy}]", *words).rows) == 4
