"""A folder or a pipe under the name of a run's file; a run that lost both checksums and copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ganatomy.config.mistakes.explain import explain
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.contents import differences
from ganatomy.runs.integrity.restore import restore

NAMES = ("config.yaml", "metrics.csv", "checksums.txt", "copies/data.json", "generator.safetensors")
CHECKPOINTS = ("checkpoints/last.ckpt", "checkpoints/last-1.ckpt", "checkpoints/best.ckpt")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    run = Run(tmp_path / "run")
    run.write("config.yaml", {"seed": 0})
    run.write("data.json", {"hash": "01"})
    run.write("environment.json", {"python": "3.12", "run": "0123456789abcdef"})
    run.checkpoints.mkdir()
    return run.path


@pytest.mark.parametrize("make, kind", [(os.mkdir, "a folder"), (os.mkfifo, "no ordinary file")])
@pytest.mark.parametrize("name", [*NAMES, *CHECKPOINTS])
def test_is_one_line_and_nothing_is_written(
    stopped: Path, name: str, make: Callable[[Path], None], kind: str
) -> None:
    (stopped / name).unlink(missing_ok=True)
    make(stopped / name)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as refused:
        restore(stopped)
    assert str(refused.value) == f"{stopped / name}: is {kind} where a file is needed; move it away"
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def test_a_link_to_a_file_is_a_file(stopped: Path, tmp_path: Path) -> None:
    shutil.move(stopped / "data.json", tmp_path / "elsewhere.json")
    (stopped / "data.json").symlink_to(tmp_path / "elsewhere.json")
    assert restore(stopped) == []


def test_a_system_error_at_a_folder_or_a_loop_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, said in (
        (tmp_path, "is a folder where"),
        (tmp_path / "loop", "is a link that leads to itself"),
    ):
        with pytest.raises(OSError) as error:
            path.read_bytes()
        assert said in (explain(error.value) or "")


def test_checksums_and_copies_gone_together_are_said(stopped: Path) -> None:
    shutil.rmtree(stopped / "copies")
    (stopped / "checksums.txt").unlink()
    (line,) = restore(stopped)
    assert line.startswith(f"{stopped / 'checksums.txt'}: is missing, and so is copies; ")


def test_tables_that_differ_are_counted() -> None:
    old = [{"step": "1"}, {"step": "2"}]
    assert differences(old, [{"step": "1"}, {"step": "3"}, {"step": "4"}]) == ["2 of 3 rows"]
    assert differences(old, old) == []
