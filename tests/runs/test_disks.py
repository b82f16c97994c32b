"""A disk that is full, read-only or broken: one line naming the file, a true status, whole checkpoints."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.config.mistakes.explain import explain
from ganatomy.runs.reserve import NAME


@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE", "EACCES"])
def test_what_the_system_refuses_is_one_line(tmp_path: Path, code: str) -> None:
    number = getattr(errno, code)
    named = explain(OSError(number, os.strerror(number), str(tmp_path / "x.png")))
    assert named is not None and named.startswith(f"error: {tmp_path}/x.png: ") and "\n" not in named

    def write(target: Path) -> None:
        raise OSError(number, os.strerror(number))  # as file.write() does, which knows no name

    with pytest.raises(OSError) as error:
        write(tmp_path / "y.png")
    line = explain(error.value)
    assert line is not None and line.startswith(f"error: {tmp_path}/y.png: ") and "None" not in line


def test_a_run_on_a_disk_that_fills_up(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second checkpoint on nothing can be written until something is removed."""
    real, folder = Path.open, tmp_path / "run"
    saved: list[Path] = []

    def opened(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if "w" in mode and folder in self.parents and self.name != NAME:
            if "last.ckpt" in self.name:
                saved.append(self)
            if len(saved) > 1 and (folder / NAME).exists():
                raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, mode, *rest, **more)

    words = ["callbacks.checkpoint_every=2", "trainer.max_steps=8", "trainer.val_every=8"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OSError):
            run("run", *words)
    status = json.loads((folder / "status.json").read_text())
    assert status["status"] == "failed"
    assert status["why"].startswith(f"{folder}/") and "no room left on the disk" in status["why"]
    before = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert before["batches_done"] in (2, 4)
    assert not [path for path in folder.iterdir() if path.name.startswith((".lock", NAME))]
    run("run", resume=True)
    assert json.loads((folder / "status.json").read_text())["status"] == "done"
