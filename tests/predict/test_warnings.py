"""An input that is unlike the training images is answered, with a warning in predictions.csv."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from ganatomy.inference.model import load
from ganatomy.predict.command import predict
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
