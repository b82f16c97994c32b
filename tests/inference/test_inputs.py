"""Files that a user names become cases: a file, a folder, a pattern, several channels, a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.inference.inputs import inputs, passed_over
from ganatomy.inference.listed import in_channels
from ganatomy.training.preprocessing import Preprocessing
from tests.data.io.dicom import make

GREY = Preprocessing(2, 1, size=16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in folders, with clutter between them."""
    for name in ("a/one.png", "a/two.png", "b/one.png", ".hidden/three.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / name)
    for name in ("notes.txt", "a/._one.png", "b/Thumbs.db"):
        (tmp_path / name).write_bytes(b"clutter")
    return tmp_path


def cases(given: object, kept: Preprocessing = GREY) -> list[str]:
    return [record.case for record in inputs(kept, given).records()]  # type: ignore[arg-type]


def test_a_folder_is_read_with_its_folders(folder: Path) -> None:
    assert cases(folder) == ["a_one", "a_two", "b_one"]


def test_a_file_a_pattern_and_a_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cases(folder / "a/one.png") == ["one"]
    assert cases(f"{folder}/*/one.*") == ["a_one", "b_one"]
    assert cases([folder / "a/two.png", folder / "b"]) == ["a_two", "b_one"]
    monkeypatch.chdir(folder)
    assert cases("**/two.png") == ["two"]


def test_equal_names_stay_apart(folder: Path) -> None:
    Image.open(folder / "a/one.png").save(folder / "a/one.tiff")
    Image.open(folder / "a/one.png").save(folder / "a_one.png")
    found = cases(folder)
    assert len(set(found)) == len(found) == 5


def test_channels_of_a_case_are_joined(tmp_path: Path) -> None:
    for name in ("p1_0000", "p1_0001", "p2_0000", "p2_0001"):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / f"{name}.png")
    source = inputs(Preprocessing(2, 2), tmp_path)
    records = source.records()
    assert [record.case for record in records] == ["p1", "p2"]
    assert source.load(records[0])["image"].shape == (2, 16, 16)
    assert len(cases(tmp_path)) == 4


def test_a_table_names_files(folder: Path) -> None:
    (folder / "list.csv").write_text("image,case\na/one.png,first\nb/one.png,second\n")
    assert cases(folder / "list.csv") == ["first", "second"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nowhere", "input=.*nowhere: no such file or folder"),
        ("*.nii", r"input=.*\*\.nii: no file matches"),
        ("notes.txt", r"input=.*notes.txt: no image is there \(passed over: 1 \.txt\)"),
    ],
)
def test_nothing_to_read_is_one_line(folder: Path, given: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        inputs(GREY, f"{folder}/{given}").records()


def test_a_file_that_is_named_is_read_whatever_its_ending(folder: Path) -> None:
    (folder / "a/one.png").rename(folder / "scan")
    assert cases(folder / "scan") == ["scan"]


def test_a_link_that_leads_nowhere_is_a_case_that_fails(folder: Path) -> None:
    (folder / "a/gone.png").symlink_to("nowhere.png")
    assert cases(folder / "a") == cases(f"{folder}/a/*") == ["gone", "one", "two"]


def test_rows_of_a_table_that_repeat_count_once(folder: Path) -> None:
    (folder / "list.csv").write_text("image\na/one.png\na/one.png\na/two.png\n")
    assert cases(folder / "list.csv") == ["one", "two"]


def test_a_table_names_files_anywhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/list.csv").write_text(f"image\n{folder}/a/one.png\n../b/one.png\n")
    assert cases(tmp_path / "lists/list.csv") == ["a_one", "b_one"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,image\nx,a/one.png\nx,b/one.png\n", "the case x has two rows with different files"),
        ("file\na/one.png\n", "has no column image; there are file"),
        ("image,age\na/one.png,3\n,4\n", "row 3 names no image"),
        ("image\n", "holds no rows; name a file in each"),
    ],
)
def test_a_table_with_a_mistake_is_one_line(folder: Path, text: str, words: str) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises(UserError, match=rf"input=.*list.csv: {words}"):
        inputs(GREY, folder / "list.csv")


@pytest.mark.parametrize("given", ["{}/Doe_Jane.dcm", "{}/*.dcm", "{}/list.csv"])
def test_dicom_files_that_are_named_get_pseudonyms(tmp_path: Path, given: str) -> None:
    make.save(make.dataset(make.pattern(16, 16)), tmp_path / "Doe_Jane.dcm")
    (tmp_path / "list.csv").write_text("image\nDoe_Jane.dcm\n")
    [record] = inputs(GREY, given.format(tmp_path)).records()
    assert record.private and "Doe" not in record.case


def test_dicom_among_other_images_is_said(folder: Path) -> None:
    make.save(make.dataset(make.pattern(16, 16)), folder / "d/one.dcm")
    assert "passed over (3 .png)" in passed_over(inputs(GREY, folder)).replace("4 .png", "3 .png")
    with pytest.raises(UserError, match="1 of 2 files are DICOM"):
        inputs(GREY, [folder / "d/one.dcm", folder / "a/one.png"])


def test_files_that_are_no_images_are_counted(folder: Path) -> None:
    before = inputs(GREY, folder).passed.total()  # type: ignore[union-attr]
    (folder / "b/notes.pdf").write_text("x")
    (folder / "b/volume.raw").write_bytes(b"numbers of volume.mhd")
    (folder / ".hidden.pdf").write_text("x")
    assert "1 .pdf" in passed_over(inputs(GREY, folder))
    assert inputs(GREY, folder).passed.total() == before + 1  # type: ignore[union-attr]
    assert passed_over(inputs(GREY, folder / "a/one.png")) == ""


def test_a_case_without_a_channel_that_the_run_needs_is_one_line() -> None:
    found = [["a_t1.png", "a_t2.png"], ["b_t1.png", None]]
    assert in_channels(found, False, 2, missing=True)[1] == [[], [True, False]]
    with pytest.raises(
        UserError, match=r"^input: b_t1.png and its others lack a channel, and the run takes all 2"
    ):
        in_channels(found, False, 2, missing=False)
