"""What a finished run says of files equals what its own test said, though the training data are gone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import load_run
from ganatomy.inference.predictor import Predictor
from tests.finished import blobs

Finished = Callable[[str], Path]


def cases_of(run: Path) -> list[str]:
    """Names of the test cases of a run."""
    with (run / "scores.csv").open() as file:
        return [row["case"] for row in csv.DictReader(file)]


def test_label_maps_have_the_scores_of_the_test(finished: Finished) -> None:
    run = finished("segmentation")
    loaded = load_run(run)
    predictor = Predictor(loaded, inputs(loaded.preprocessing, run.parent / "files/images"))
    wanted, scores = set(cases_of(run)), []
    for record in predictor.records:
        if f"images_{record.case}" not in wanted:
            continue
        predicted = predictor(record)
        assert predicted.file is not None
        ending, content = predicted.file.encoded()
        (run.parent / f"answer{ending}").write_bytes(content)
        answer = np.asarray(Image.open(run.parent / f"answer{ending}"))
        truth = np.asarray(Image.open(run.parent / f"files/masks/{record.case}.png"))
        assert answer.shape == truth.shape and set(np.unique(answer)) <= {0, 255}
        both = 2 * ((answer > 0) & (truth > 0)).sum()
        scores.append(both / ((answer > 0).sum() + (truth > 0).sum()))
    assert len(scores) == len(wanted)
    known = json.loads((run / "metrics.json").read_text())
    assert np.mean(scores) == pytest.approx(known["test/dice"], abs=1e-6)


def test_images_have_the_scores_and_the_grid_of_the_test(finished: Finished, tmp_path: Path) -> None:
    run = finished("enhancement")
    loaded = load_run(run)
    predictor = Predictor(loaded, inputs(loaded.preprocessing, str(run.parent / "files/noisy/*.nii.gz")))
    scores = []
    for record in predictor.records:
        if f"noisy_{record.case}" not in cases_of(run):
            continue
        predicted = predictor(record)
        assert predicted.file is not None
        ending, content = predicted.file.encoded()
        path = tmp_path / f"{record.case}{ending}"
        path.write_bytes(content)
        made, given = (nib.load(p) for p in (path, run.parent / f"files/noisy/{record.case}.nii.gz"))
        assert np.array_equal(made.affine, given.affine) and made.shape == given.shape
        assert made.get_data_dtype() == given.get_data_dtype() == np.int16
        assert (made.dataobj.slope, made.dataobj.inter) == (0.5, -50)
        truth = nib.load(run.parent / f"files/clean/{record.case}.nii.gz").get_fdata()
        span = truth.max() - truth.min()
        scores.append(peak_signal_noise_ratio(truth, made.get_fdata(), data_range=span))
    known = json.loads((run / "metrics.json").read_text())
    assert scores and np.mean(scores) == pytest.approx(known["test/psnr"], abs=1e-6)


def test_sides_that_the_network_does_not_take_whole(finished: Finished, tmp_path: Path) -> None:
    """A volume's slices of 45x39, for a network that halves its image once and trained on 32x32."""
    nib.save(nib.Nifti1Image(blobs(3, 45, 39, 4), np.eye(4)), tmp_path / "large.nii.gz")
    loaded = load_run(finished("segmentation"))
    predictor = Predictor(loaded, inputs(loaded.preprocessing, tmp_path))
    predicted = predictor(predictor.records[0])
    assert predicted.values is not None and predicted.values.shape == (1, 45, 39, 4)
    [note] = predicted.answer.notes
    assert "computed in windows of 32x32, as the network does not take" in note
    assert loaded.task.window is None
