"""An input that is unlike the training images is answered, with a warning in predictions.csv."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ganatomy.inference.model import load
from ganatomy.predict.command import predict
from ganatomy.predict.journal import Entry
from ganatomy.predict.progress import progress
from tests.predict.test_predict import settings


def test_warnings_stand_in_the_table(finished: Callable[[str], Path], tmp_path: Path) -> None:
    run = finished("enhancement")
    files = tmp_path / "files"
    files.mkdir()
    for path in sorted((run.parent / "files/noisy").iterdir()):
        (files / path.name).write_bytes(path.read_bytes())
    image = nib.load(files / "v0.nii.gz")
    nib.save(nib.Nifti1Image(image.dataobj, image.affine @ np.diag([2, 2, 2, 1])), files / "wide.nii.gz")
    for familiar in (True, False):
        output = tmp_path / f"out{familiar}"
        assert predict(settings(run, files, output, familiarity=familiar)) == 0
        with (output / "predictions.csv").open() as file:
            warnings = {row["case"]: row["warnings"] for row in csv.DictReader(file)}
        assert len(warnings) == 9 and not any(text for case, text in warnings.items() if case != "wide")
        assert ("spacing" in warnings["wide"] and "in training" in warnings["wide"]) is familiar


def test_a_model_warns_as_predict_does(finished: Callable[[str], Path]) -> None:
    run = finished("enhancement")
    image = nib.load(run.parent / "files/noisy/v0.nii.gz")
    model, values = load(run), np.asanyarray(image.dataobj)
    assert model(values, affine=image.affine).warnings == []
    wide = model(values, affine=image.affine @ np.diag([2, 2, 2, 1]))
    assert "spacing" in " ".join(wide.warnings) and "spacing" in repr(wide)
    assert repr(model) == f"<Model {run.name}: enhancement, 2D>"


def test_a_terminal_is_not_flooded_with_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(8, 0) as report:
        for number in range(8):
            report(Entry(f"case {number}", warnings="blank: all values are 0"))
        report(Entry("broken", status="failed", error="broken.png: is empty"))
    told = capsys.readouterr()
    lines = [line for line in (told.out + told.err).splitlines() if line.startswith(("note", "error"))]
    assert lines[:5] == [f"note: case {number}: blank: all values are 0" for number in range(5)]
    assert lines[5:] == [
        "note: further warnings stand in predictions.csv alone",
        "error: broken.png: is empty",
    ]
