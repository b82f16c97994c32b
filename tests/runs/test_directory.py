"""Files of a run directory are whole or absent."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ganatomy.config.mistakes.explain import explain
from ganatomy.errors import UserError
from ganatomy.runs import environment as environments
from ganatomy.runs.directory import Run, open_again, open_new, write_atomically
from ganatomy.runs.environment import environment


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "last.ckpt", b"old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
    assert "no room left on the disk" in (explain(caught.value) or "")
    assert str(path) in (explain(caught.value) or "")


def test_a_fresh_directory_must_be_empty(tmp_path: Path) -> None:
    run = open_new(tmp_path / "a")
    run.write("config.yaml", {"seed": 1})
    assert run.read("config.yaml") == {"seed": 1}
    with pytest.raises(UserError, match="already holds files"):
        open_new(tmp_path / "a")


def test_a_directory_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"^run_dir: no permission to write in .*; choose another run_dir$"):
        open_new(tmp_path / "a")


def test_only_a_run_with_a_checkpoint_can_go_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no checkpoints/last\.ckpt"):
        open_again(open_new(tmp_path / "a").path)


def test_status_keeps_what_was_said_before(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.status("running", wandb_id="abc")
    run.status("failed", "out of memory")
    assert run.read("status.json") == {"status": "failed", "why": "out of memory", "wandb_id": "abc"}


def test_asking_git_writes_nothing_into_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git status` alone writes the index anew, under a lock, once a file's time has changed."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").touch()
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    os.utime(tmp_path / "src/a.py", (1e9, 1e9))
    before = (tmp_path / ".git/index").read_bytes()
    monkeypatch.setattr(environments, "__file__", str(tmp_path / "src/runs/environment.py"))
    assert environments.code_state() == {"commit": mock.ANY, "dirty": False}
    assert (tmp_path / ".git/index").read_bytes() == before
    subprocess.run(["git", "status"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / ".git/index").read_bytes() != before


def test_the_environment_names_versions_and_no_folder() -> None:
    found = environment(3)
    assert found["seed"] == 3 and found["versions"]["torch"].startswith("2.")
    assert str(Path.home()) not in str(found)


def test_errors_of_ours_keep_their_traceback() -> None:
    assert explain(RuntimeError("a bug")) is None


def test_the_time_of_all_parts_of_a_run_is_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from ganatomy.runs import directory as module

    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    for seconds in (50.0, 7.0):
        part = Run(tmp_path)
        clock.now += seconds
        part.timed()
        part.status("done")
    assert part.read("status.json") == {"seconds": 57.0, "status": "done", "why": ""}


def test_a_file_that_is_no_yaml_is_named_with_the_line() -> None:
    import yaml

    with pytest.raises(yaml.YAMLError) as error:
        yaml.safe_load("a: 1\nb: [1, 2\nc: 3\n")
    assert str(explain(error.value)).startswith("error: <unicode string>, line 3: is no YAML (expected")
