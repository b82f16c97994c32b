"""Old names beside classes of the user's own, whose parameters keep theirs; and those inside dict words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganatomy.config import translate
from ganatomy.config.compose import composed
from ganatomy.config.translate import words_of_today
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError
from ganatomy.tasks.detection.task import DetectionTask

HERE = __name__


class Own(DetectionTask):
    """A task with a parameter that has an old name of ours."""

    def __init__(self, top: int = 3, **more: Any) -> None:
        super().__init__(**more)


class Told:
    """A network with an old name of ours."""

    def __init__(self, told: bool = False) -> None:
        self.told = told


class Kinds(Folder):
    """A source with an old name of ours."""

    def __init__(self, root: str, kinds: int = 2) -> None:
        super().__init__(root)


class Todays:
    """A network that takes today's name."""

    def __init__(self, class_conditional: bool = False) -> None:
        self.told = class_conditional


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a task and a source of the user's own."""
    monkeypatch.setenv("GANATOMY_TARGETS", f"{HERE}.")
    monkeypatch.setattr(translate, "_announced", set())
    for name, text in {
        "task/own.yaml": f"defaults: [detection, _self_]\n_target_: {HERE}.Own\ntop: 4\n",
        "task/own2.yaml": "defaults: [own, _self_]\ntop: 5\n",
        "data/own.yaml": f"defaults: [common, _self_]\n_target_: {HERE}.Kinds\nroot: x\nkinds: 5\nfit: pad\n",
        "experiment/own.yaml": "# @package _global_\ndefaults: [{override /task: own}]\ntask: {top: 7}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_parameters_of_a_chosen_class_keep_their_names(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, top in (
        (["task=own"], 4),
        (["task=own", "task.top=9"], 9),
        (["task=own2"], 5),
        (["task=own2", "task.top=9"], 9),
        (["experiment=own"], 7),
    ):
        assert composed(words, [str(mine)])["task"]["top"] == top
    assert capsys.readouterr().err == ""
    assert composed(["task=detection", "task.top=9"], [str(mine)])["task"]["max_detections"] == 9


def test_parameters_of_a_class_beside_them_keep_their_names(mine: Path) -> None:
    own = [f"model.generator={{_target_: {HERE}.Told, told: true}}"]
    assert words_of_today(own) == (own, [])
    own = [f"model.generator._target_={HERE}.Told", "+model.generator.told=true"]
    assert words_of_today(own) == (own, [])
    word = f"model.generator={{_target_: {HERE}.Todays, told: true}}"
    line = "model.generator.told: renamed to model.generator.class_conditional"
    assert words_of_today([word]) == ([word.replace("told: ", "class_conditional: ")], [line])


def test_a_source_keeps_its_names_and_the_loaders_keys_are_renamed(mine: Path) -> None:
    data = composed(["data=own"], [str(mine)])["data"]
    assert (data["kinds"], data["resize"]) == (5, "pad") and "image_classes" not in data
    assert composed(["data=own", "data.kinds=6"], [str(mine)])["data"]["kinds"] == 6


def test_keys_in_a_dict_word() -> None:
    words = [
        "++task={most: 5, list: [{top: 1}], text: 'top: 2', 'hit' : ${task.top}, a: {top: 3}}",
        "~task.top",
    ]
    today, lines = words_of_today(words)
    assert today == [
        words[0].replace("most:", "max_images:").replace("'hit' :", "match_iou :"),
        "~task.max_detections",
    ]
    assert lines == [
        "task.most: renamed to task.max_images",
        "task.hit: renamed to task.match_iou",
        "task.top: renamed to task.max_detections",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["++task={most: 5, max_images: 6}"],
        ["+task={most: 5}", "task.max_images=6"],
        ["+task={max_images: 6}", "task.most=5"],
    ],
)
def test_both_names_are_refused_in_dict_words(words: list[str]) -> None:
    with pytest.raises(UserError, match=r"^task\.most: is called task\.max_images now, which is given too"):
        words_of_today(words)


def test_a_reference_by_an_old_name(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "trainer").mkdir()
    text = "defaults: [default, _self_]\nlog_every: ${task.top}\nthreads: ${task.top}\n"
    (mine / "trainer/mine.yaml").write_text(text)
    task = composed(["task=detection", "trainer=mine", "task.max_detections=7"], [str(mine)])
    assert task["trainer"]["log_every"] == 7
    assert capsys.readouterr().err == "${task.top}: renamed to ${task.max_detections}\n"
    assert composed(["task=own", "trainer=mine"], [str(mine)])["trainer"]["log_every"] == 4
    assert capsys.readouterr().err == ""
