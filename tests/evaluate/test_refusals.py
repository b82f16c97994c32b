"""Data that lack what a run needs, and runs that are no folds of one model, are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.data.records import Record
from ganatomy.data.sources.dicom import Dicom
from ganatomy.errors import UserError
from ganatomy.evaluate import folds
from ganatomy.evaluate.cases import other_cases, own_cases
from ganatomy.evaluate.data import EvaluatedData
from tests.conftest import composed
from tests.data.io.dicom.make import pattern, series


def section(*words: str) -> Any:
    """Section `data` of a command."""
    return validate(composed(*words, tiny=False)).data


def loaded(path: str = "here", scored: str = "file", **more: Any) -> Any:
    """A run on pictures of one channel."""
    empty = dict.fromkeys(("label_classes", "box_classes", "image_classes"), ())
    none = dict.fromkeys(("target_channels", "size", "missing", "mask"))
    kept = SimpleNamespace(**{**empty, **none, "channels": 1, "spatial_dims": 2, **more})
    task = SimpleNamespace(written_like="map", learned="", scored=scored, healthy=None)
    cfg = SimpleNamespace(data=section("data=brain"))
    return SimpleNamespace(path=path, task=task, preprocessing=kept, cfg=cfg)


def test_data_of_other_channels_than_the_run() -> None:
    with pytest.raises(UserError, match=r"^data\.channels: these data have 1, and the run takes 3$"):
        other_cases(loaded(channels=3), section("data=brain"), None, [], [])


def test_data_without_the_healthy_class_of_the_run(tmp_path: Path) -> None:
    for kind in ("sound", "ill"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{kind}/{kind}.png")
    run = loaded(image_classes=("normal", "ill"))
    run.task.healthy = SimpleNamespace(kind=0, lesion=None)
    words = ["data=folder", f"data.root={tmp_path}", "data.image='*/*.png'", 'data.kind="{parent}"']
    line = r"^data\.image_classes: the run's healthy class is normal, and these data have none of that name; "
    with pytest.raises(UserError, match=line):
        other_cases(run, section(*words, "data.image_classes=[sound,ill]"), None, [], [])


def test_cases_of_another_secret(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name * 64)
        (tmp_path / name).chmod(0o600)
    series(tmp_path / "tree", pattern(7, 6, 4), PatientID="p")
    [record] = Dicom(root=str(tmp_path / "tree"), secret=str(tmp_path / "a")).records()
    (tmp_path / "data.json").write_text(json.dumps({"contents": {"test": {record.case: "digest"}}}))
    run = loaded(path=tmp_path)  # type: ignore[arg-type]
    data = section("data=dicom", f"data.root={tmp_path / 'tree'}", f"data.secret={tmp_path / 'b'}")
    run.cfg = SimpleNamespace(data=data)
    line = rf"^run={tmp_path}: data\.secret: none of its cases has a name here: .*; give that of the run, "
    with pytest.raises(UserError, match=line):
        own_cases(run, None)


def test_cases_without_a_target() -> None:
    cases = [Record("a", "a"), Record("b", "b")]
    data: Any = SimpleNamespace(records={"test": cases}, targets={"test": []}, degrade=None, facts={})
    data.has_target = lambda record: record.case == "a"
    run = loaded()
    run.task.written_like, run.task.unpaired = "target", False
    line = r"^data\.target: 1 of 2 cases have no target to be scored against; name it \(data\.target=\.\.\.\)"
    with pytest.raises(UserError, match=line):
        EvaluatedData.check(data, run, ())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"scored": "network", "image_classes": ("ill",)}, r"another task\.scored"),
        ({"image_classes": ("normal",)}, "other classes"),
        ({"image_classes": ("ill",)}, ""),
    ],
)
def test_runs_that_are_no_folds_of_one_model(
    more: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last two runs are alike, but test the same subject."""
    runs = {"A": loaded("A", image_classes=("ill",)), "B": loaded("B", **more)}
    for run in runs.values():
        run.task.learned = "class"
    contents = {name: {"train": {other: other}, "test": {name: name}} for name, other in ("AB", "BA")}
    data = SimpleNamespace(records={"test": [Record("case", "subject")]})
    monkeypatch.setattr(folds, "load_run", lambda run, device: runs[run])
    monkeypatch.setattr(folds, "contents_of", lambda path: contents[path.name])
    monkeypatch.setattr(folds, "own_cases", lambda run, part: None)
    monkeypatch.setattr(folds.one, "data_of", lambda *given: data)
    monkeypatch.setattr(folds.one, "counted", lambda *given: None)
    line = rf"has {words} than A; name the folds of one model$"
    if not words:
        line = (
            "1 of its test subjects are tested by another run too; the folds of one cross-validation share "
        )
    config: Any = SimpleNamespace(runs=["A", "B"], device="cpu", data=None, twin=None, split=None)
    with pytest.raises(UserError, match=f"^run=B: {line}"):
        folds.evaluate(config, [])
