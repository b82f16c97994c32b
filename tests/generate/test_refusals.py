"""What `generate` refuses before anything is drawn, and processes of it that fail."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.io.synthetic import Form, SyntheticFolder
from ganatomy.errors import UserError
from ganatomy.generate import output, request, workers
from ganatomy.generate.command import generate
from ganatomy.tasks.synthesis.task import SynthesisTask

FORM = Form("png8", np.dtype(np.uint8))
CONTENT = {"images": 4, "request": {"seed": 0}, "generator": {"sha256": "these"}}


def test_a_run_is_needed() -> None:
    with pytest.raises(
        UserError, match=r"^run: is missing; name a finished run of task=synthesis: run=runs/"
    ):
        generate(SimpleNamespace(run=None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kept", "what"), [(None, "has no section synthesis"), ({"shape": [8, 8]}, "lacks a part of its section")]
)
def test_a_run_without_facts_of_its_images(kept: dict[str, Any] | None, what: str) -> None:
    task = SynthesisTask.__new__(SynthesisTask)
    run: Any = SimpleNamespace(path="here", task=task, preprocessing=SimpleNamespace(synthesis=kept))
    with pytest.raises(UserError, match=rf"^run=here: its preprocessing\.json {what}.*; resume=here tests "):
        request.synthesis_of(run)


def test_pictures_cannot_hold_volumes_of_label_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = SimpleNamespace(form=lambda wanted, key: FORM)
    task = SimpleNamespace(condition=SimpleNamespace(classes=0, masks=2))
    masks = SimpleNamespace(volumes=True, geometric=True, paths=("a.nii.gz",))
    monkeypatch.setattr(request, "synthesis_of", lambda loaded: (task, facts))
    monkeypatch.setattr(request, "_masks", lambda *given: masks)
    cfg: Any = SimpleNamespace(kind=None, classes=None, start=None, end=None, format="png8")
    with pytest.raises(UserError, match=r"^format: png8 cannot hold volumes; choose nifti or npz$"):
        request.request_of(cfg, SimpleNamespace())  # type: ignore[arg-type]


def test_a_folder_of_other_weights_or_one_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SyntheticFolder(tmp_path, FORM, None, 4)
    there = {**CONTENT, "generator": {"sha256": "those"}}
    (tmp_path / output.NAME).write_text(json.dumps(there))
    line = "holds images of other weights; choose another output, or remove that folder$"
    with pytest.raises(UserError, match=line), output.opened(tmp_path, CONTENT, folder):
        pass

    def full(path: Path, **how: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(Path, "mkdir", full)
    with (
        pytest.raises(
            UserError, match=r"new cannot be made \(No space left on device\); choose another output$"
        ),
        output.opened(tmp_path / "new", CONTENT, folder),
    ):
        pass


def test_processes_that_fail(tmp_path: Path) -> None:
    folder = SyntheticFolder(tmp_path, FORM, None, 4)
    nothing: Any = None
    with pytest.raises(UserError, match=r"nowhere: is no run directory"):
        list(workers.drawn(str(tmp_path / "nowhere"), "cpu", nothing, folder, [1], 1))
    killed: Any = SimpleNamespace(join=lambda: None, exitcode=-9)
    with pytest.raises(
        UserError, match=r"^processes: one of them ended with exit code -9; if memory ran out,"
    ):
        workers._check_end(killed)
