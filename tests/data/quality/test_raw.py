"""What is said of the files of a data set: endings, types, channels, axes, units."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ganatomy.data.quality.counts import narrow
from ganatomy.data.quality.faults import inspect
from ganatomy.data.quality.inventory import facts, take
from ganatomy.data.quality.page import DIMMED, listed, picture
from ganatomy.data.quality.raw import raw_of, units_of
from ganatomy.data.records import Fault
from ganatomy.data.sources.folder import Folder


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two colour pictures, a grey one stored as three, a grey one, a file of another kind."""
    (tmp_path / "images").mkdir()
    colour = np.random.default_rng(0).integers(0, 255, (12, 10, 3), np.uint8)
    for name, array in {
        "a": colour,
        "b": colour,
        "c": colour[..., :1].repeat(3, 2),
        "d": colour[..., 0],
    }.items():
        Image.fromarray(array).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images" / "e.mnc").write_text("no picture")
    return tmp_path


def test_what_was_read_is_told(mixed: Path) -> None:
    source = Folder(root=str(mixed))
    found = take(source.records(), source)
    told = facts(found, source)
    assert told["files"] == ".png (4)"
    assert told["stored as"] == "uint8 (4)" and "spacing, px" in told
    assert told["channels"].startswith("3") and told["channels"].endswith(
        "1 (1); used as 1, colours as luminance (2)"
    )
    notes = [fault for fault in found.faults if fault.kind == "colour"]
    assert [fault.case for fault in notes] == ["images_a", "images_b"] and not any(f.grave for f in notes)
    assert "data.channels=1 reads the luminance; data.channels=3 keeps the colour" in notes[0].words


def test_a_colour_image_that_stays_one_needs_no_note(mixed: Path) -> None:
    source = Folder(root=str(mixed), channels=3)
    record = source.records()[0]
    assert inspect(record, source.load(record), source) == []


def test_axes_and_millimetres_of_volumes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name, sign in {"a": 1, "b": -1, "c": -1}.items():
        volume = nib.Nifti1Image(
            np.random.default_rng(0).random((6, 5, 4), np.float32), np.diag([sign, 1, 2, 1])
        )
        nib.save(volume, tmp_path / "images" / f"{name}.nii.gz")
    source = Folder(root=str(tmp_path), spatial_dims=3)
    told = facts(take(source.records(), source), source)
    assert told["axes point to"] == "LAS (2), RAS (1)" and told["spacing, mm"] == "1 x 1 x 2"


def test_a_source_may_say_itself() -> None:
    other: Any = SimpleNamespace(units="px")
    assert units_of(other, []) == "px"


@pytest.mark.parametrize(
    ("channels", "colour", "words"),
    [(1, None, "1"), (3, None, "3"), (3, True, "3 colours"), (4, False, "4 frames or contrasts")],
)
def test_channels_are_named_where_the_files_say_what_they_are(channels: int, colour: Any, words: str) -> None:
    stored = np.zeros((channels, 2, 2))
    assert raw_of(stored, stored, colour).words == words


def test_a_table_that_is_too_wide_is_turned() -> None:
    heads, rows = ["split", "cases"], [["train", "5"], ["val", "2"]]
    assert narrow(heads, rows, 40) == (heads, rows)
    assert narrow(heads, rows, 10) == (["split", "train", "val"], [["cases", "5", "2"]])


def test_faults_of_a_kind_are_told_once_on_the_page_and_listed_under_it() -> None:
    faults = [Fault(f"c{i}", "label value", f"c{i}: label value 255") for i in range(20)]
    html = listed([*faults, Fault("x", "constant", "x: constant", grave=False)])
    assert html.count("and 19 more") == 1 and html.count("<details>") == 1 and "c19: label value" in html


def test_a_picture_of_nan_is_drawn_without_a_warning() -> None:
    image = np.full((1, 8, 8), np.nan, np.float32)
    with np.errstate(all="raise"):
        assert picture({"image": image}, False).startswith(b"\x89PNG")
        image[0, :4] = np.arange(8)
        assert picture({"image": image}, False).startswith(b"\x89PNG")


@pytest.mark.parametrize("depth", [(), (4,)], ids=["image", "volume"])
def test_what_lies_outside_the_mask_is_dimmed(depth: tuple[int, ...]) -> None:
    image = np.broadcast_to(np.linspace(1, 2, 32)[:, None, *(None for _ in depth)], (1, 32, 32, *depth))
    mask = np.zeros((1, 32, 32, *depth), np.uint8)
    mask[:, :, :16] = 1
    png = picture({"image": image.astype(np.float32), "mask": mask}, False)
    shades = np.array(Image.open(io.BytesIO(png)).convert("L")).astype(float)
    inside, outside = shades[40:, :64].mean(), shades[40:, 80:].mean()
    assert outside == pytest.approx(DIMMED * inside, rel=0.05)
