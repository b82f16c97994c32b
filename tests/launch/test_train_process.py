"""A run as a child process: what its exit code means, and a directory that another process writes in."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ganatomy.launch.train_process import TrainProcess
from ganatomy.runs.lock import InUse
from ganatomy.runs.process_identity import Holder, identify

PREEMPTED = 'echo \'{"status": "preempted"}\' > status.json; '


@pytest.mark.parametrize(
    "script, found",
    [
        ("kill -KILL $$", "killed by SIGKILL (often because memory ran out)"),
        (PREEMPTED + "exit 143", None),
        (PREEMPTED + "exit 1", None),  # a launcher in between that has exit codes of its own
        ("kill -TERM $$", None),
        ("echo 'error: data.root: none'; exit 2", "data.root: none"),
    ],
)
def test_what_became_of_a_run_that_was_once_stopped(tmp_path: Path, script: str, found: str | None) -> None:
    """The status of an earlier start says nothing of this one."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints/last.ckpt").touch()
    (folder / "status.json").write_text('{"status": "preempted"}')
    process = TrainProcess(["sh", "-c", f"cd {folder}; {script}", "sh"], [], folder)
    assert process.result() == found


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A run directory without a checkpoint in which another process writes."""
    folder = tmp_path / "run"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    holder = replace(Holder.here(), who=identify(process.pid))
    (folder / ".lock").write_text(json.dumps(asdict(holder)))
    (folder / "config.yaml").write_text("seed: 0")
    yield folder
    process.kill()
    process.wait()


def test_a_directory_in_use_is_not_removed(busy: Path) -> None:
    with pytest.raises(InUse, match="is in use by process"):
        TrainProcess(["sh", "-c", "true"], [], busy)
    assert (busy / "config.yaml").exists()


def test_a_run_that_still_ends_is_waited_for(busy: Path) -> None:
    """As after a kill of the command that started it."""
    pid = json.loads((busy / ".lock").read_text())["who"]["pid"]
    waker = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -{signal.SIGKILL} {pid}"])
    process = TrainProcess(["sh", "-c", "true"], [], busy, patience=60.0)
    assert process.result() == "exit code 0" and not (busy / "config.yaml").exists()
    waker.wait()
