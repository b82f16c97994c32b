"""Instance detection by two processes: the weights, the scores and the files of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ranks import together
from tests.tasks.detection.instances.test_task import CELLS, ON
from tests.tasks.detection.test_task import words_of
from tests.test_processes import BRIEF, PLAIN, SGD, assert_alike


@pytest.mark.slow
def test_two_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    sizes = [f"{key}={value}" for key, value in PLAIN.items()]
    own = {word.partition("=")[0] for word in (*CELLS, *sizes)}
    brief = [word for word in BRIEF if word.partition("=")[0] not in own | {"data.slices"}]
    words = [*ON, *CELLS, *brief, *words_of("centernet_gan"), *SGD, *sizes, "save_predictions=-1"]
    done = command(*words, "run_dir=one")
    assert done.returncode == 0, done.stderr
    together(2, tmp_path, *words, "run_dir=two")
    assert_alike(tmp_path / "one", tmp_path / "two")
    maps = sorted((tmp_path / "one/predictions").glob("*.png"))
    assert maps and all(m.read_bytes() == (tmp_path / "two/predictions" / m.name).read_bytes() for m in maps)
