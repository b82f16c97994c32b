"""Installed without its repository, the command runs from any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, environment


@pytest.mark.slow
def test_runs_from_another_folder_after_an_install(tmp_path: Path) -> None:
    """What `pip install .` copies is enough: packages, every file of conf/, the report's page."""
    place, copy = tmp_path / "site", tmp_path / "copy"
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, copy)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    start([*pip, str(place), str(copy)], tmp_path)
    words = [sys.executable, "-P", "-m", "src.train", *TINY, "trainer.max_steps=2", "callbacks.report=true"]
    printed = start([*words, "run_dir=out"], tmp_path, PYTHONPATH=str(place))
    assert printed.strip().splitlines()[-1] == "run: out"
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    installed, ours = (
        sorted(p.relative_to(r / "conf") for p in (r / "conf").rglob("*.yaml")) for r in (place, ROOT)
    )
    assert installed == ours


def start(words: list[str], cwd: Path, **more: str) -> str:
    done = subprocess.run(words, cwd=cwd, env=environment(**more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
