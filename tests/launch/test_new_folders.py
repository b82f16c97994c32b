"""Commands that are begun in one second have a directory each; here that second lasts a year."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ganatomy.launch.ownership import made
from tests.conftest import TINY

NAMED = "${now:%Y}_brain"
ONE_STEP = [*TINY, "trainer.max_steps=1", "trainer.val_every=1", "logger=none"]


@pytest.mark.slow
def test_two_runs_and_one_that_fails(command: Callable[..., Any], tmp_path: Path) -> None:
    year = f"{datetime.now(UTC):%Y}_brain"
    words = [*ONE_STEP, f"run_dir=runs/{NAMED}"]
    for seed in (0, 1):
        done = command(*words, f"seed={seed}")
        assert done.returncode == 0, done.stderr
    assert command(*words, "trainer.threads=-1").returncode == 2
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [year, f"{year}_2"]
    for name, seed in ((year, 0), (f"{year}_2", 1)):
        assert f"seed: {seed}\n" in (tmp_path / "runs" / name / "config.yaml").read_text()
    refused = command(*words[:-1], f"run_dir=runs/{year}")
    assert refused.returncode == 2 and "already holds files" in refused.stderr


@pytest.mark.slow
def test_the_jobs_of_two_multiruns(command: Callable[..., Any], tmp_path: Path) -> None:
    for seed in (3, 4):
        words = ["hydra.sweep.dir='many/${now:%Y}, both'", f"seed={seed}", "trainer.max_steps=-1"]
        assert command("--multirun", *words).returncode == 2
    notes = {path.parts[-3]: json.loads(path.read_text())["words"] for path in tmp_path.glob("many/*/jobs/*")}
    year = f"{datetime.now(UTC):%Y}, both"
    assert {name: words[0] for name, words in notes.items()} == {year: "seed=3", f"{year}_2": "seed=4"}
    assert len(list(tmp_path.glob("many/*/multirun.csv"))) == 2


def test_the_default_name_is_made_at_once(command: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing of Hydra's warns, and nothing is left of a run that is refused."""
    done = command("trainer.max_steps=-1")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == ["runs", "segmentation"]


def test_each_of_many_has_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(lambda _: made(str(tmp_path / "a" / "run")), range(64)))
    assert len(set(names)) == 64 and all(Path(name).is_dir() for name in names)


def test_a_place_where_nothing_can_be_made_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert made(str(tmp_path / "file" / "run")) == str(tmp_path / "file" / "run")
