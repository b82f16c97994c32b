"""Words beside `resume`: keys of the run are known, whatever the composition beside it chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.translate import readable
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run


@pytest.fixture
def drawn(compose: Any, tmp_path: Path) -> Path:
    """A run of another task, on a folder: keys that `python -m src.train` alone does not have."""
    words = ["task=synthesis", "data=folder", "data.root=images", "model=spade"]
    Run(tmp_path / "a run").write("config.yaml", compose(*words, tiny=False))
    return tmp_path / "a run"


def settled(compose: Any, run: Path, *words: str) -> Any:
    return compose(*readable([f"resume='{run}'", *words], resumes=True), tiny=False)


@pytest.mark.parametrize("key", ["data.root", "data.label", "task.nearest", "model.generator.latent"])
def test_a_key_of_the_run_alone_stays(compose: Any, drawn: Path, key: str) -> None:
    with pytest.raises(
        UserError, match=rf"^{key}: a resumed run keeps its {key}; start a new run to change it$"
    ):
        settled(compose, drawn, f"{key}=other")


def test_a_free_key_of_the_run_alone_may_change(compose: Any, drawn: Path) -> None:
    again = settled(compose, drawn, "task.evaluator=runs/judge", "data.changed=keep", "trainer.threads=1")
    assert again["task"]["evaluator"] == "runs/judge"
    assert again["data"]["changed"] == "keep" and again["data"]["root"] == "images"
    assert again["trainer"]["threads"] == 1


def test_words_that_choose_files_and_options_are_left_alone(drawn: Path) -> None:
    words = [
        f"resume={drawn}",
        "trainer=ddp",
        "-c",
        "job",
        "+data.root=x",
        "~task.evaluator",
        "data.unknown=1",
    ]
    assert readable(words, resumes=True) == words
    assert readable(["resume=null", "data.root=x"], resumes=True) == ["resume=null", "data.root=x"]


def test_no_run_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run directory"):
        readable([f"resume={tmp_path}", "data.root=x"], resumes=True)


def test_the_command_says_it_too(command: Any, drawn: Path) -> None:
    done = command(f"resume='{drawn}'", "data.root=elsewhere")
    assert done.returncode == 2
    assert (
        done.stderr == "error: data.root: a resumed run keeps its data.root; start a new run to change it\n"
    )
