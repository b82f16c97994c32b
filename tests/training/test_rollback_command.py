"""guard=rollback by the real command: what is said, what is left, one process and two."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TINY

THROWN = [*TINY, "guard=rollback", "model.optimizer.generator.lr=1e20"]
LR = "model.optimizer.generator.lr"
Command = Callable[..., subprocess.CompletedProcess[str]]


def check(done: subprocess.CompletedProcess[str], run: Path) -> None:
    """A rate that makes weights infinite at the first step is replaced, and the run ends as any other."""
    assert done.returncode == 0, done.stderr
    line = "rollback 1 of 3: not_finite at step 1 (the gradient of the generator is not finite); back to"
    assert line in done.stderr
    assert done.stderr.count("rollback 1 of 3") == 1 and "Traceback" not in done.stderr
    assert f"rollbacks: 1 ({LR} 1e+20 -> 0.0002); the last game: healthy" in " ".join(done.stdout.split())
    status = json.loads((run / "status.json").read_text())
    row = {"try": 1, "step": 1, "event": "not_finite", "back_to": 0, "key": LR, "before": 1e20, "after": 2e-4}
    assert status["rollbacks"] == [row] and (status["status"], status["game"]) == ("done", "healthy")


def test_a_game_that_blew_up_goes_back(command: Command, tmp_path: Path) -> None:
    """W&B gets the new game as the same run, and the report lists what was changed."""
    done = command(*THROWN, "callbacks.report=true", "logger=wandb", f"run_dir={tmp_path}/run")
    check(done, tmp_path / "run")
    parts = {path.name.split("-")[-1] for path in (tmp_path / "run" / "wandb").glob("offline-run-*")}
    assert len(parts) == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert all(f"<td>{cell}</td>" in page for cell in ("not_finite", LR, "1e+20", "0.0002"))


@pytest.mark.slow
def test_two_processes_go_back_together(command: Command, tmp_path: Path) -> None:
    done = command(*THROWN, "trainer=ddp", "trainer.devices=2", f"run_dir={tmp_path}/run")
    check(done, tmp_path / "run")
