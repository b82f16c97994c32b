"""Arrays as images: what suits a run is answered, what does not is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ganatomy
from ganatomy.errors import UserError
from ganatomy.inference.model import Prediction
from tests.finished import OBLIQUE, blobs

IMAGE = blobs(1, 24, 20) * 40_000
VOLUME = blobs(1, 12, 10, 4) * 900


@pytest.fixture(scope="module")
def model(finished: Callable[[str], Path]) -> ganatomy.Model:
    return ganatomy.load(finished("segmentation"))


def test_tensors_and_views_are_arrays(model: ganatomy.Model) -> None:
    known = np.asarray(model(IMAGE))
    for same in (torch.from_numpy(IMAGE), np.asfortranarray(IMAGE), IMAGE[None], IMAGE.astype(">f8")):
        assert np.array_equal(model(same), known)


@pytest.mark.parametrize(
    ("image", "more", "words"),
    [
        (IMAGE.tolist(), {}, "image: list is no image"),
        (None, {}, "image: NoneType is no image"),
        (IMAGE + 1j, {}, "image: an array .* of complex128 is no image"),
        (np.array([["a", "b"]]), {}, "image: an array .* is no image"),
        (np.zeros((0, 5)), {}, "image: an array .* is no image"),
        (IMAGE[0], {}, r"image: an array of shape \(20,\) is not what the run takes: 2 axes"),
        ("a.png", {"spacing": (1, 1)}, "spacing, affine: a.png is a file, which has its own; give them for"),
        (IMAGE * np.nan, {}, "480 of 480 values are NaN"),
        (VOLUME, {}, "spacing: is missing; the array of shape .* is taken for a volume"),
        (VOLUME, {"spacing": (1, 1)}, "spacing=.*: give mm along each of the 3 axes"),
        (VOLUME, {"spacing": (0, 1, 1)}, "spacing=.*above 0"),
        (VOLUME, {"spacing": 1.0}, "spacing=1.0: give mm"),
        (VOLUME, {"spacing": "ab"}, "spacing: has values that are no finite numbers"),
        (VOLUME, {"affine": np.eye(3)}, "affine: give"),
        (VOLUME, {"affine": np.zeros((4, 4))}, "affine: give .* invertible"),
        (VOLUME, {"affine": OBLIQUE, "spacing": (1, 1, 2)}, "spacing, affine: give one of them"),
    ],
)
def test_what_is_no_image_is_one_line(
    model: ganatomy.Model, image: Any, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        model(image, **more)


def test_saving_takes_names_with_dots_and_no_folder(model: ganatomy.Model, tmp_path: Path) -> None:
    found = model(IMAGE)
    assert found.save(tmp_path / "patient.1") == tmp_path / "patient.1.png"
    with pytest.raises(UserError, match="is a folder; name a file in it"):
        found.save(tmp_path)
    with pytest.raises(UserError, match=r"are \.png files"):
        found.save(tmp_path / "a.nii.gz")


def test_one_image_is_answered_and_saved(model: ganatomy.Model, tmp_path: Path) -> None:
    for name in "ab":
        model(IMAGE).save(tmp_path / name)
    with pytest.raises(UserError, match="holds 2 cases, not one; use `ganatomy predict` for many"):
        model(tmp_path)
    boxes: Any = SimpleNamespace(_file=None)
    with pytest.raises(
        UserError, match=r"^this prediction has boxes and no image to save; take its `boxes`$"
    ):
        Prediction.save(boxes, tmp_path / "c")
