"""Runs by a plan: made once, the same in every process and after a resume, and of no use for other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config.plans.reading import expanded
from ganatomy.errors import UserError
from ganatomy.planning.trials import measuring
from tests.conftest import TINY
from tests.test_resume import assert_same_end, run_until

MEASURED = {
    "start": 1.0, "read": 1.0, "cases": 6, "set_up": 1.0, "step": 0.5, "checkpoint": 0.0,
    "validation": 0.1, "validation_further": 0.1, "val_cases": 1,
    "test": 1.0, "test_further": 1.0, "test_cases": 1,
    "fitting": 0.1, "train_cases": 4, "cached": 0, "memory": 2**30,
}  # fmt: skip
FREE = [word for word in TINY if not word.startswith(("trainer.max_steps", "trainer.val_every", "model.gen"))]


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """The configurations that are tried; each trial takes what `MEASURED` says."""
    tried: list[dict[str, Any]] = []

    def trial(cfg: Any, limits: Any) -> dict[str, Any]:
        tried.append({**cfg.to_plain(), "limits": limits})
        return MEASURED

    monkeypatch.setattr(measuring, "trial", trial)
    monkeypatch.setenv("GANATOMY_CACHE", str(tmp_path / "cache"))
    return tried


def config(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
    return found


def test_a_plan_is_made_written_and_trained_by(run: Any, trials: list[Any], capsys: Any) -> None:
    first = run("first", "plan=auto", "plan_minutes=0.5", "data.batch_size=3")
    made = config(first)
    assert made["plan"] == "auto"
    assert made["data"]["batch_size"] == 3  # the user's
    assert made["task"]["mirror_axes"] == [1]  # the plan's
    assert trials[0]["task"]["mirror_axes"] == [1]
    assert trials[0]["limits"]["train"] == 16  # as many as the guard looks at, whatever the batch
    assert made["trainer"]["max_steps"] == 8  # TINY's words are the user's
    assert made["plan_for"]["classes"] == ["background", "csf", "gm", "wm"]
    assert made["plan_estimate"]["memory_gb"] == 1.08  # more than the trial
    said = capsys.readouterr()
    assert "plan: took " in said.out
    assert f"(expected {made['plan_estimate']['minutes']})" in said.out
    assert "task.mirror_axes=[1]" in said.err
    plan = yaml.safe_load((first / "plan.yaml").read_text())
    assert plan["task"]["mirror_axes"] == [1]
    run("second", "plan=auto", "plan_minutes=0.5", "data.batch_size=3")
    assert len(trials) == 1  # the second plan took the measurement of the first


def test_an_edited_plan_is_used_and_a_resumed_run_keeps_it(run: Any, trials: Any, tmp_path: Path) -> None:
    made = run("made", "plan=auto")
    path = tmp_path / "mine.yaml"
    path.write_text((made / "plan.yaml").read_text().replace("mirror_axes: [1]", "mirror_axes: [0]"))
    whole = run("whole", *expanded([f"plan={path}"]))
    assert config(whole)["task"]["mirror_axes"] == [0]
    assert config(whole)["plan"] == str(path)
    run_until(5, run, "parted", *expanded([f"plan={path}"]))
    path.unlink()
    again = run("parted", resume=True)
    assert_same_end(whole, again)
    assert config(again)["plan_for"] == config(whole)["plan_for"]
    assert len(trials) == 1


def test_a_plan_for_other_data_is_refused_in_one_line(run: Any, trials: Any, tmp_path: Path) -> None:
    made = run("made", "plan=auto")
    path, text = tmp_path / "other.yaml", (made / "plan.yaml").read_text()
    path.write_text(text.replace("channels: 1", "channels: 3"))
    with pytest.raises(
        UserError, match="plan: it was made for channels 3 and the data have 1; make one"
    ) as line:
        run("refused", *expanded([f"plan={path}"]))
    assert len(str(line.value).splitlines()) == 1
    assert trials


def test_other_files_of_the_same_kind_are_noted(run: Any, trials: Any, tmp_path: Path, capsys: Any) -> None:
    made = run("made", "plan=auto")
    run("alike", *expanded([f"plan={made / 'plan.yaml'}"]))
    assert "made for other files" not in capsys.readouterr().err
    run("other", *expanded([f"plan={made / 'plan.yaml'}"]), "data.subjects=8")
    assert "made for other files (6 cases, here 8)" in capsys.readouterr().err
    assert trials


@pytest.mark.slow
def test_two_processes_train_by_one_plan_that_was_measured(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """The whole way, with a trial of its own."""
    words = [*FREE, "plan=auto", "plan_minutes=1", "trainer.max_steps=6", "run_dir=run", "trainer.devices=2"]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("plan: a trial of a few steps") == 1
    assert done.stdout.count("plan: took ") == 1
    made, plan = config(tmp_path / "run"), yaml.safe_load((tmp_path / "run" / "plan.yaml").read_text())
    assert made["model"]["generator"]["strides"] == plan["model"]["generator"]["strides"] == [2, 2]
    assert made["trainer"]["devices"] == 2
    assert made["plan_estimate"] == plan["plan_estimate"]
    assert 0.1 < plan["plan_estimate"]["memory_gb"] < 4
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "done"


@pytest.mark.slow
def test_check_writes_a_plan_and_never_over_another(command: Callable[..., Any], tmp_path: Path) -> None:
    data = ["data=brain", "data.subjects=6", "data.size=32", "data.slices=3", "pictures=0"]
    (tmp_path / "plan.yaml").write_text("mine")
    done = command(*data, "plan=true", module="src.check")
    assert done.returncode == 2
    assert done.stderr == "error: output: plan.yaml exists; give overwrite=true, or another output=\n"
    done = command(*data, "plan=true", "minutes=1", "output=other.yaml", module="src.check")
    assert done.returncode == 0, done.stderr
    assert "plan: other.yaml (edit it; then " in done.stdout
    plan = yaml.safe_load((tmp_path / "other.yaml").read_text())
    assert plan["data"]["subjects"] == 6
    assert {"override /task": "segmentation"} in plan["defaults"]
    assert (tmp_path / "other.html").is_file()
    assert (tmp_path / "plan.yaml").read_text() == "mine"
