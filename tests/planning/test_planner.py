"""Which task data suit, and what is refused before anything is tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.readers.stored import ReadError
from ganatomy.data.records import Case, Record
from ganatomy.errors import UserError
from ganatomy.planning import budget, planner, rules
from ganatomy.planning.draft import Draft
from ganatomy.planning.planner import make_plan, suited_task, task_of
from ganatomy.planning.survey import surveyed
from ganatomy.planning.trials.measuring import Measured
from tests.planning.planted import Planted

HEADS = ["data=brain_images", "data.subjects=6", "data.size=32", "data.slices=2"]
IMAGE = {"image": np.ones((1, 8, 8)) / 3, "affine": np.eye(4), "spacing": np.ones(2)}
LABEL = {"label": np.ones((1, 8, 8), np.uint8)}
BOXES = {"boxes": np.array([[1.0, 1, 4, 4]]), "classes": np.array([0])}


def data(tmp_path: Path, **arrays: np.ndarray) -> DataModule:
    cases = [{**IMAGE, **arrays} for _ in range(6)]
    named = ("background", "organ") if "label" in arrays else ()
    boxed = ("cell",) if "boxes" in arrays else ()
    source = Planted(2, cases, named, boxed, split=None)
    return DataModule(source, batch_size=1, cache_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("arrays", "task"),
    [(LABEL, "segmentation"), (BOXES, "detection"), ({"target": IMAGE["image"]}, "enhancement")],
)
def test_the_task_is_the_one_that_the_data_answer(tmp_path: Path, arrays: Any, task: str) -> None:
    assert suited_task(data(tmp_path, **arrays)) == task


@pytest.mark.parametrize("arrays", [{}, {**LABEL, "target": IMAGE["image"]}], ids=["nothing", "both"])
def test_data_of_no_or_several_tasks_ask_for_one(tmp_path: Path, arrays: Any) -> None:
    with pytest.raises(UserError, match=r"task: the data have .*; choose task="):
        suited_task(data(tmp_path, **arrays))


def test_labels_that_mark_nothing_in_training_suit_no_segmentation(tmp_path: Path) -> None:
    healthy = {"label": np.zeros((1, 8, 8), np.uint8), "class": np.array(0)}
    with pytest.raises(UserError, match="no training image shows any organ; choose task=anomaly, which"):
        suited_task(data(tmp_path, **healthy))


def test_the_name_of_a_task() -> None:
    assert task_of({"task": {"_target_": "ganatomy.tasks.detection.DetectionTask"}}) == "detection"
    assert task_of({"task": {"_target_": "mylab.tasks.Mine"}}) == "Mine"


def test_a_task_without_answers_in_the_data_is_refused_before_a_trial() -> None:
    with pytest.raises(UserError, match="plan: task=detection needs boxes and the data have none"):
        make_plan([*HEADS, "task=detection"], 1.0, 8.0)


def test_images_that_nothing_degrades_are_refused_before_a_trial() -> None:
    with pytest.raises(UserError, match=r"^plan: the data have no targets; choose a degradation=, which"):
        make_plan([*HEADS, "task=enhancement", "degradation=none"], 1.0, 8.0)


def test_memory_that_no_image_is_small_enough_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "measured", lambda *_: None)
    monkeypatch.setattr(budget, "too_much", lambda *_: True)
    monkeypatch.setattr(budget, "shrink", lambda *_: None)
    with pytest.raises(UserError, match=r"^plan_memory: no batch and image were found that train in 0\.1 GB"):
        make_plan([*HEADS, "task=segmentation"], 1.0, 0.1)


def test_a_data_set_of_which_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Planted, record: Record) -> Case:
        raise ReadError(f"{record.case}: is not there")

    monkeypatch.setattr(Planted, "load", gone)
    with pytest.raises(UserError, match=r"^plan: no training case can be read; .*check"):
        surveyed(data(tmp_path, **LABEL))


@pytest.mark.parametrize(
    ("words", "own"),
    [([], False), (["model=pix2pix"], True), (["model/generator=unet"], False), (["experiment=mine"], True)],
)
def test_a_plan_knows_whether_a_model_was_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], own: bool
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults: [override /model: pix2pix]\n"
    )
    drafts: list[Draft] = []
    monkeypatch.setattr(rules, "apply", drafts.append)
    monkeypatch.setattr(planner, "measured", lambda *_: None)
    monkeypatch.setattr(budget, "too_much", lambda *_: True)
    monkeypatch.setattr(budget, "shrink", lambda *_: None)
    brains = ["data=brain", "data.subjects=6", "data.size=32", "data.slices=2", "task=segmentation"]
    with pytest.raises(UserError, match="plan_memory"):
        make_plan([*brains, *words], 1.0, 0.1, [str(tmp_path)])
    assert drafts[0].own_model is own


@pytest.mark.parametrize("full", [False, True])
def test_zoomed_images_are_left_out_before_images_are_made_smaller(
    monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Two validations of 30 s are more than a quarter of a minute; the trial after them has one size."""
    seen: list[Any] = []
    quick = Measured(start=1, read=1, set_up=1, step=0.1, checkpoint=0.1, validation=1.0, test=1.0, memory=1)

    def found(cfg: Any, *_: Any) -> Measured:
        seen.append(cfg.to_plain()["task"]["zooms"])
        return replace(quick, validation=30.0, memory=10**12 * full) if seen[-1] else quick

    monkeypatch.setattr(planner, "measured", found)
    lesions = ["data=brain_lesions", "data.subjects=9", "data.size=32", "data.slices=3", "task=detection"]
    plan = make_plan(lesions, 1.0, 8.0)
    assert seen == [[0.85, 1.15], []]
    (row,) = (row for row in plan.rows if row.key == "task.zooms")
    assert row.value == [] and "more than a quarter of the time" in row.why
