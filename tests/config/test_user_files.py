"""Old names in files of the user's own: taken, with one line each, and weaker than what stands above them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config import renamed, translate
from ganatomy.config.compose import composed
from ganatomy.errors import UserError

WORDS = ["task=segmentation", "trainer.max_steps=8"]


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if two keys, a section that went elsewhere, and a module had other names in 062eb33."""
    moved = {
        "trainer.val_every": "trainer.look",
        "task.monitor": "task.watched",
        "update.n_critic": "game.asks",
    }
    monkeypatch.setattr(renamed, "MOVED_KEYS", moved)
    monkeypatch.setattr(renamed, "MOVED_CLASSES", {"ganatomy.tasks.segmentation": "old.masks"})
    monkeypatch.setattr(translate, "_announced", set())


@pytest.fixture
def mine(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a file of a folder of the user's own; the value is the folder."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(tmp_path)

    return write


def test_a_file_of_a_group(mine: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The default of conf/ is not counted as given; the command line wins by either name."""
    folder = mine("trainer/fast.yaml", "defaults: [default, _self_]\nlook: 4\nmax_steps: ${.look}\n")
    folders, words = [folder], ["task=segmentation", "trainer=fast"]
    with pytest.raises(UserError, match="max_steps"):  # a reference by the old name
        composed(words, folders)
    mine("trainer/fast.yaml", "defaults: [default, _self_]\nlook: 4\nmax_steps: 8\n")
    capsys.readouterr()
    assert composed(words, folders)["trainer"]["val_every"] == 4
    assert composed([*words, "trainer.val_every=2"], folders)["trainer"]["val_every"] == 2
    assert composed([*words, "trainer.look=2"], folders)["trainer"]["val_every"] == 2
    assert capsys.readouterr().err.splitlines() == ["trainer.look: renamed to trainer.val_every"], "once each"


def test_a_file_over_everything(mine: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "# @package _global_\ntrainer: {look: 4}\ngame: {asks: 3}\n"
    text += "task: {_target_: old.masks.SegmentationTask, watched: val/iou}\n"
    folder = mine("experiment/mine.yaml", text)
    plain = composed([*WORDS, "experiment=mine"], [folder], check=True)
    assert plain["task"]["_target_"] == "ganatomy.tasks.segmentation.SegmentationTask"
    assert (plain["trainer"]["val_every"], plain["task"]["monitor"]) == (4, "val/iou")
    assert plain["update"]["n_critic"] == 3
    where = f"(in {tmp_path}/experiment/mine.yaml)"
    assert capsys.readouterr().err.splitlines() == [
        "old.masks.SegmentationTask: renamed to ganatomy.tasks.segmentation.SegmentationTask " + where,
        f"trainer.look: renamed to trainer.val_every {where}",
        f"task.watched: renamed to task.monitor {where}",
        f"game.asks: renamed to update.n_critic {where}",
    ]


def test_both_names_in_one_file_are_refused(mine: Any) -> None:
    folder = mine("trainer/fast.yaml", "defaults: [default, _self_]\nlook: 4\nval_every: 3\n")
    with pytest.raises(
        UserError, match=r"^.*/trainer/fast\.yaml: trainer\.look: is called trainer\.val_every now, "
    ):
        composed(["trainer=fast"], [folder])


def test_a_process_of_a_run_says_nothing_again(
    mine: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = mine("trainer/fast.yaml", "defaults: [default, _self_]\nlook: 4\n")
    monkeypatch.setenv("GANATOMY_LAUNCH", str(tmp_path))
    assert composed(["trainer=fast"], [folder])["trainer"]["val_every"] == 4
    assert capsys.readouterr().err == ""
