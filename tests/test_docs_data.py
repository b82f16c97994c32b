"""docs/data.md: each of its commands, run as it stands on data of its kind."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.own_data import write_all
from tests.pages import DOCS, blocks

PAGE = DOCS / "data.md"
COMMANDS = [line for block in blocks("data.md", "sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_all(folder)
    return folder


def test_the_page_has_a_command_of_each_kind() -> None:
    kinds = {word for command in COMMANDS for word in command.split() if word.startswith("data=")}
    assert kinds == {f"data={kind}" for kind in ("folder", "table", "yolo", "coco", "decathlon", "dicom")}
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) < 150


SHORT = ["trainer.max_steps=2", "trainer.val_every=2", "trainer.threads=1", "trainer.accelerator=cpu"]
SHORT += ["logger=none", "callbacks.samples=0", "callbacks.report=false", "callbacks.progress=none"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_the_page_says(command, here, compose, tmp_path, monkeypatch) -> None:
    """Check finds no fault in what the page describes; of training, two steps, and a file a test case."""
    from ganatomy.check import check
    from ganatomy.config.resolve import validate
    from ganatomy.config.schema import Config
    from ganatomy.train import train
    from ganatomy.training.build import build_data

    monkeypatch.chdir(here)
    python, flag, module, *words = shlex.split(command)
    assert (python, flag) == ("python", "-m")
    if module == "src.check":
        found = check(
            build_data(Config.from_plain(compose(*words, tiny=False))), 0, 0, tmp_path / "check.html"
        )
        assert found.grave == [] and {r.split for r in found.records} == {"train", "val", "test"}
        return
    assert module == "src.train"
    cfg = compose(*words, *SHORT, tiny=False)
    train(validate(cfg), tmp_path / "run")
    assert any(name.startswith("test/") for name in json.loads((tmp_path / "run/metrics.json").read_text()))
    if "save_predictions=all" in words:
        cases = json.loads((tmp_path / "run/data.json").read_text())["cases"]["test"]
        assert len(list((tmp_path / "run/predictions").glob("case_*"))) == cases > 0
