"""Which task data suit, and what is refused before anything is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError
from ganatomy.planning.planner import make_plan, suited_task, task_of
from tests.planning.planted import Planted

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


def test_the_name_of_a_task() -> None:
    assert task_of({"task": {"_target_": "ganatomy.tasks.detection.DetectionTask"}}) == "detection"
    assert task_of({"task": {"_target_": "mylab.tasks.Mine"}}) == "Mine"


def test_a_task_without_answers_in_the_data_is_refused_before_a_trial() -> None:
    words = ["data=brain_images", "data.subjects=6", "data.size=32", "data.slices=2", "task=detection"]
    with pytest.raises(UserError, match="plan: task=detection needs boxes and the data have none"):
        make_plan(words, 1.0, 8.0)
