"""Pictures show a volume the right way up, however its file lies."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import load_run
from ganatomy.inference.panes import drawn, upright
from ganatomy.inference.predictor import Loaded, Predicted, Predictor
from ganatomy.tasks.shared.answers import FoundBoxes
from tests.finished import blobs

Finished = Callable[[str], Path]


def predicted(run: Path, file: Path) -> tuple[Loaded, Predicted]:
    loaded = load_run(run)
    predictor = Predictor(loaded, inputs(loaded.preprocessing, file))
    ready = predictor.read(predictor.records[0])
    return ready, predictor.finish(ready, predictor.compute(ready))


@pytest.fixture
def lying(tmp_path: Path) -> dict[str, Path]:
    """One head in files whose axes go to the right, the front and the top, and otherwise."""
    image = nib.Nifti1Image((blobs(2, 32, 32, 6) * 1500).astype(np.int16), np.diag([1.0, 1, 3, 1]))
    files = {}
    for axes in ("RAS", "PLS", "SAL"):
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
        files[axes] = tmp_path / f"{axes}.nii.gz"
        nib.save(image.as_reoriented(turn), files[axes])
    return files


@pytest.mark.parametrize("task", ["segmentation", "enhancement"])
def test_a_head_is_drawn_alike_from_any_file(finished: Finished, lying: dict[str, Path], task: str) -> None:
    pictures = {axes: drawn(*predicted(finished(task), path)) for axes, path in lying.items()}
    assert len(set(pictures.values())) == 1
    with Image.open(io.BytesIO(pictures["RAS"])) as picture:
        assert np.asarray(picture).std() > 10


def test_the_front_is_at_the_top_and_the_right_at_the_left(
    finished: Finished, lying: dict[str, Path]
) -> None:
    ready, _ = upright(*predicted(finished("enhancement"), lying["RAS"]))
    file = np.asarray(nib.load(lying["RAS"]).dataobj)
    plane = ready.case["image"][0][..., 2]  # rows to the back, columns to the left
    assert np.array_equal(plane, file[::-1, ::-1, 2].T)


def test_boxes_turn_with_the_image(finished: Finished, lying: dict[str, Path]) -> None:
    ready, found = predicted(finished("enhancement"), lying["RAS"])
    boxes = FoundBoxes(np.array([[2.0, 5, 1, 6, 8, 3]]), np.ones(1), ["x"], 0.5)
    _, turned = upright(ready, replace(found, answer=replace(found.answer, boxes=boxes)))
    assert turned.answer.boxes is not None
    assert turned.answer.boxes.boxes.tolist() == [[32 - 8, 32 - 6, 1, 32 - 5, 32 - 2, 3]]
