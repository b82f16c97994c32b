"""Images over label maps that are given as files: on their grid, with their values, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from ganatomy.data.transforms.prepare import Preparation
from ganatomy.errors import UserError
from ganatomy.generate.masks import GivenMasks
from tests.generate.conftest import AFFINE, SIDE, files

Drawn = Callable[..., Path]
Finished = Callable[[str], Path]


def test_pictures_are_painted_over_masks_in_the_order_of_their_names(
    finished: Finished, drawn: Drawn, masks: Path, tmp_path: Path
) -> None:
    where = drawn(finished("painted"), masks=str(masks / "masks"))
    assert len(list((where / "images").iterdir())) == 12, "one for each"
    for n in (1, 12):
        given = np.asarray(Image.open(masks / f"masks/{n - 1:02d}.png"))
        assert np.array_equal(np.asarray(Image.open(where / f"labels/00{n:02d}.png")), given)
        assert np.asarray(Image.open(where / f"images/00{n:02d}.png")).shape == (SIDE, SIDE)
    more = files(drawn(finished("painted"), "more", masks=str(masks / "masks/0*.png"), n=11))
    assert more["labels/0011.png"] == more["labels/0001.png"], "ten files, and then the first again"
    assert more["images/0011.png"] != more["images/0001.png"], "with other noise"
    assert more["images/0003.png"] == files(where)["images/0003.png"]
    private = tmp_path / "more-keys.csv"
    assert (
        private.read_text().splitlines()[11].endswith("masks/00.png") and private.stat().st_mode & 0o77 == 0
    )
    assert "masks/00" not in (where / "provenance.json").read_text()


def test_the_map_of_a_training_image_gives_the_image_of_save_samples(
    finished: Finished, drawn: Drawn, tmp_path: Path
) -> None:
    """The maps that `save_samples` used, given as files, in its order."""
    run = finished("painted")
    shutil.copytree(run / "synthetic/labels", tmp_path / "labels")
    saved = files(run / "synthetic")
    assert files(drawn(run, masks=str(tmp_path / "labels"))) == saved and len(saved) == 9


def test_slices_become_a_volume_on_the_grid_of_their_mask(
    finished: Finished, drawn: Drawn, masks: Path
) -> None:
    """Five slices of a volume, oblique and smaller than the generator's images."""
    where = drawn(finished("slices"), masks=str(masks / "volmasks/*.nii.gz"), n=2)
    for n in (1, 2):
        image, label = (nibabel.load(where / f"{role}/000{n}.nii.gz") for role in ("images", "labels"))
        assert image.shape == label.shape == (SIDE, SIDE, 8) and image.get_data_dtype() == np.int16
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        given = np.asarray(nibabel.load(masks / f"volmasks/{n - 1}.nii.gz").dataobj)
        assert np.array_equal(np.asarray(label.dataobj), given)
        assert len(np.unique(np.asarray(image.dataobj))) > 50


def test_what_does_not_fit_is_named(finished: Finished, drawn: Drawn, tmp_path: Path) -> None:
    run, given = finished("painted"), tmp_path / "given"
    given.mkdir()

    def refused(pixels: np.ndarray, name: str = "a.png") -> str:
        Image.fromarray(pixels.astype(np.uint8)).save(given / name)
        with pytest.raises(UserError) as refusal:
            drawn(run, masks=str(given))
        assert not (tmp_path / "out").exists() and "\n" not in str(refusal.value)
        return str(refusal.value)

    known = "label value 7 is none of the run's, which are 0 (background), 255 (lesion)"
    assert refused(np.full((SIDE, SIDE), 7)) == f"masks: {given / 'a.png'}: {known}"
    assert "is 20x16 as the network would get it, and this generator makes images of 16x16" in refused(
        np.zeros((20, SIDE))
    )
    assert refused(np.full((SIDE, SIDE), 7), "b.png").endswith("(1 more of 2 files do not fit)")
    (given / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (given / "b.png").unlink()
    with pytest.raises(UserError, match=r"masks: .*a\.png: cannot be read"):
        drawn(run, masks=str(given))
    with pytest.raises(UserError, match=r"output: .* lies in masks="):
        drawn(run, "given/out", masks=str(given))
    with pytest.raises(UserError, match=r"masks=.*nowhere: there is no such file or folder"):
        drawn(run, masks=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"masks=.*: no image matches"):
        drawn(run, masks=str(tmp_path / "*.png"))
    (given / "a.png").unlink()
    with pytest.raises(UserError, match=r"masks=.*given: holds no image"):
        drawn(run, masks=str(given))


@pytest.mark.parametrize(
    ("dims", "settings", "line"),
    [
        (
            2,
            {"size": 8, "resize": "crop"},
            r"has 20x16 voxels, of which this generator fills 20% \(8x8\); crop or resample it$",
        ),
        (2, {"spacing": [1, 1, 1]}, r"data\.spacing=\[1, 1, 1\]: the images have 2 dimensions; give as many"),
        (3, {}, r"is a picture, and this run draws volumes of 8x8$"),
    ],
)
def test_a_picture_that_the_network_cannot_take(
    dims: Any, settings: dict[str, Any], line: str, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((20, 16), np.uint8)).save(tmp_path / "a.png")
    kept: Any = SimpleNamespace(axes=None, spatial_dims=dims, preparation=Preparation(dims, **settings))
    facts: Any = SimpleNamespace(label_values=(0, 1), mask_classes=(), image_channels=1, shape=(8, 8))
    with pytest.raises(UserError, match=rf"^{tmp_path}/a\.png: {line}"):
        GivenMasks((), kept, facts).read(tmp_path / "a.png")
