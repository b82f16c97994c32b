"""docs/extending.md does what it says: its files in a lab's own folder, its commands for a few steps."""

from __future__ import annotations

import json
import os
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from tests.conftest import ROOT
from tests.pages import answers, blocks, commands, files

PAGE = "extending.md"
FILES = files(PAGE, "python", "yaml")
COMMANDS = commands(PAGE)
SHORT = [
    *("trainer.max_steps=2", "trainer.val_every=2", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("logger=none", "callbacks.samples=0", "callbacks.report=false", "callbacks.progress=none"),
]
SCORES = {"experiment=parts": "test/parts_error", "task=inpainting": "test/mae"}
"""What only the run of this example gives."""


def write_lab(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the page, from which modules are imported and may be named."""
    write_lab(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GANATOMY_TARGETS", "mylab.")
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mylab"]:
        del sys.modules[name]


def overrides(command: str, *more: str) -> list[str]:
    """The words of a command line, `--config-dir` as Hydra's own key."""
    _, _, flag, folder, *words = shlex.split(command)
    assert flag == "--config-dir", command
    small = [] if "data=archive" in words else ["data.subjects=6", "data.size=32"]
    return [f"hydra.searchpath=[file://{Path(folder).absolute()}]", *words, *small, *more]


def configuration(compose: Any, command: str, *more: str) -> Any:
    return validate(compose(*overrides(command, *more), tiny=False))


def test_the_page_has_five_examples_of_one_class_and_one_yaml() -> None:
    python = [name for name in FILES if name.startswith("mylab/") and name.endswith(".py")]
    yaml = [name for name in FILES if name.endswith(".yaml")]
    assert len(python) == len(yaml) == 5
    for name in python:
        lines = [line for line in FILES[name].splitlines() if line.strip()]
        assert len(lines) <= 30, f"{name}: {len(lines)} lines"


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("ganatomy train")])
def test_a_run_does_what_the_page_says(command: str, lab: Path, compose: Any) -> None:
    from ganatomy.train import train

    runpy.run_path("make_scans.py")
    train(configuration(compose, command, *SHORT), lab / "run")
    scores = json.loads((lab / "run/metrics.json").read_text())
    wanted = next((score for word, score in SCORES.items() if word in command), "test/dice")
    assert scores[wanted] is not None
    assert "mylab." in (lab / "run/config.yaml").read_text()


def test_a_check_finds_no_fault(lab: Path, compose: Any) -> None:
    from ganatomy.check import check
    from ganatomy.training.build import build_data

    (command,) = [line for line in COMMANDS if line.startswith("ganatomy check")]
    runpy.run_path("make_scans.py")
    found = check(build_data(configuration(compose, command)), 0, 0, lab / "check.html")
    assert found.grave == [] and {record.split for record in found.records} == {"train", "val", "test"}


@pytest.mark.slow
def test_through_the_console_command(tmp_path: Path, command: Any) -> None:
    """As a reader types it, in a folder that has nothing to do with the repository."""
    write_lab(tmp_path)
    exported = dict(word.split("=", 1) for word in shlex.split(blocks(PAGE, "sh")[0])[1:])
    assert exported == {"PYTHONPATH": "$PWD", "GANATOMY_TARGETS": "mylab."}
    exported["PYTHONPATH"] = f"{ROOT}{os.pathsep}{tmp_path}"
    _, *words = shlex.split(COMMANDS[0])
    done = command(*words, *SHORT, "data.subjects=6", "data.size=32", module="ganatomy", env=exported)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("run: runs/segmentation/")


def test_what_is_wrong_is_one_line(lab: Path, compose: Any) -> None:
    from ganatomy.training.build import build_data, build_task, complete

    (wrong_depth, depth_line), (wrong_affine, affine_line) = answers(PAGE)
    cfg = configuration(compose, wrong_depth)
    with pytest.raises(UserError) as caught:
        data = build_data(cfg)
        build_task(complete(cfg, data), data.mask_classes)
    assert f"error: {caught.value}\n" == depth_line
    runpy.run_path("make_scans.py")
    archive = lab / "mylab/archive.py"
    archive.write_text(archive.read_text().replace("np.eye(4)", "np.eye(3)"))
    with pytest.raises(UserError) as caught:
        build_data(configuration(compose, wrong_affine)).setup()
    assert f"error: {caught.value}".splitlines()[0].startswith(affine_line.strip())
