"""The command: counts, faults and near-duplicates, at the terminal and on the page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "src.check", *words, f"paths.cache={folder / 'cache'}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.slow
def test_check_tells_what_is_there_and_what_is_wrong(tmp_path, picture):
    for number in range(9):
        picture(f"images/{number}.png")
        picture(f"masks/{number}.png", np.full((20, 16), 255 * (number % 2), np.uint8))
    words = [
        "data=folder",
        f"data.root={tmp_path}",
        "data.label='masks/{name}'",
        "data.classes=[background,lesion]",
    ]
    done = check(tmp_path, *words, "data.label_values=[0,255]")
    assert done.returncode == 0, done.stderr
    assert "0 faults that stop training" in done.stdout
    page = (tmp_path / "check.html").read_text()
    assert page.count("<img") == 9 and "<svg" in page and "http" not in page

    (tmp_path / "masks/4.png").unlink()
    broken = check(tmp_path, *words)
    assert broken.returncode == 1
    assert "masks/4.png: is not there" in broken.stdout and "label value 255" in broken.stdout
    assert "masks/4.png: is not there" in (tmp_path / "check.html").read_text()

    typo = check(tmp_path, "duplikates=3")
    assert typo.returncode == 2 and typo.stderr.strip().count("\n") == 0 and "duplicates" in typo.stderr
