"""One file has one owner: words stand whole, longer names win, what two claim is a fault that names both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.readers import ReadError
from ganatomy.data.quality.inventory import take
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError

MASKS: dict[str, tuple[str, list[str], list[str], dict[str, list[str]]]] = {
    "numbers that go on": (
        "masks/{stem}*.png",
        ["case_1", "case_10", "case_2"],
        ["case_1_mask", "case_1-2", "case_10_mask", "case_2"],
        {"case_1": ["case_1-2", "case_1_mask"], "case_10": ["case_10_mask"], "case_2": ["case_2"]},
    ),
    "the longer one is not in the set": (
        "masks/{stem}*.png",
        ["img1", "img2"],
        ["img1_m", "img12_m", "img2 (3)", "img1b"],
        {"img1": ["img1_m"], "img2": ["img2 (3)"]},
    ),
    "a name within another": (
        "masks/{stem}_*.png",
        ["a", "a_b", "a_b_c"],
        ["a_1", "a_b_1", "a_b_2", "a_b_c_1"],
        {"a": ["a_1"], "a_b": ["a_b_1", "a_b_2"], "a_b_c": ["a_b_c_1"]},
    ),
    "a star before": (
        "masks/*{stem}.png",
        ["1", "21"],
        ["m_1", "m_21"],
        {"1": ["m_1"], "21": ["m_21"]},
    ),
    "brackets are letters": (
        "masks/{stem}*.png",
        ["img[1]", "img1"],
        ["img[1]_m", "img1_m"],
        {"img[1]": ["img[1]_m"], "img1": ["img1_m"]},
    ),
    "letters that are written down": (
        "masks/{stem}mask*.png",
        ["scan1", "scan12"],
        ["scan1mask", "scan12mask_b"],
        {"scan1": ["scan1mask"], "scan12": ["scan12mask_b"]},
    ),
    "a folder a case": (
        "masks/{stem}*/*.png",
        ["s1", "s11"],
        ["s1_a/x", "s11_a/x", "s11_b/y"],
        {"s1": ["s1_a/x"], "s11": ["s11_a/x", "s11_b/y"]},
    ),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_word_of_a_template_stands_whole(tmp_path, picture, kind):
    template, images, masks, owners = MASKS[kind]
    for name in images:
        picture(f"images/{name}.png")
    for name in masks:
        picture(f"masks/{name}.png", np.ones((20, 16), np.uint8))
    found = Folder(root=str(tmp_path), label=template, classes=["bg", "a"]).records()
    told = {r.content["image"][7:-4]: [f[6:-4] for f in r.content["label"]] for r in found}
    assert told == owners
    left = sorted(set(masks) - {name for names in owners.values() for name in names})
    notes = [fault for fault in leaks(found) if fault.kind == "no image"]
    assert all(f"masks/{name}.png" in notes[0].words and not notes[0].grave for name in left)


def test_images_in_the_root_have_masks_beside_them(tmp_path, picture):
    for name in ("1", "12"):
        picture(f"{name}.png"), picture(f"{name}_mask.png")
    source = Folder(
        root=str(tmp_path),
        image="*.png",
        exclude="*_mask*",
        label="{folder}/{stem}_mask*.png",
        classes=["b", "a"],
    )
    assert [r.content["label"] for r in source.records()] == [["1_mask.png"], ["12_mask.png"]]


def claims(source: Folder | Table) -> list[str]:
    return [fault.words for fault in leaks(source.records()) if fault.kind == "claim" and fault.grave]


def test_a_mask_of_two_images_is_a_fault_of_both_unless_it_is_said_to_be_shared(tmp_path, picture):
    for name in ("left/1", "right/1", "masks/1"):
        picture(f"{name}.png")
    how: dict[str, Any] = {"image": "*t/*.png", "label": "masks/{stem}.png", "classes": ["b", "a"]}
    words = claims(Folder(root=str(tmp_path), **how))
    assert len(words) == 2 and words[0].startswith(
        "masks/1.png: is the label of left/1.png and of right/1.png"
    )
    assert "data.shared=[label]" in words[0]
    assert claims(Folder(root=str(tmp_path), shared=["label"], **how)) == []
    with pytest.raises(UserError, match=r"data\.shared=masks: choose image, target, label"):
        Folder(root=str(tmp_path), shared=["masks"], **how)


def test_a_shared_file_keeps_its_images_on_one_side(tmp_path, picture):
    for n in range(6):
        picture(f"noisy/{n}.png")
    picture("clean.png")
    source = Folder(root=str(tmp_path), image="noisy/*.png", target="clean.png", shared=["target"])
    (fault, *_) = [f for f in leaks(Splitting()(source.records())) if f.grave]
    assert fault.words.startswith("clean.png: is the target of images of ") and "data.subject" in fault.words


def test_masks_are_no_images(tmp_path, picture):
    picture("set/1.png"), picture("set/1_mask.png")
    source = Folder(
        root=str(tmp_path), image="set/*.png", label="set/{stem}_mask.png", classes=["b", "a"],
        missing_label="background",
    )  # fmt: skip
    assert "set/1_mask.png: is an image of the data set and the label of set/1.png" in claims(source)[0]


def table(root, text: str, **how: Any) -> Table:
    (root / "index.csv").write_text(text)
    return Table(root=str(root), **how)


def test_rows_of_a_table_own_their_files(tmp_path, picture):
    for name in "abm":
        picture(f"{name}.png")
    words = claims(table(tmp_path, "image,m\na.png,m.png\nb.png,m.png\n", label="m", classes=["b", "a"]))
    assert words[0].startswith("m.png: is the label of a.png and of b.png")
    assert "names it twice" in claims(table(tmp_path, "image\na.png;a.png\nb.png\n"))[0]
    assert "is the image of two cases, a and a" in claims(table(tmp_path, "image\na.png\na.png\nb.png\n"))[0]
    one, other = table(
        tmp_path, 'image,b\na.png,"[1,2,3,4]"\nb.png,\na.png,"[5,6,7,8]"\n', boxes="b"
    ).records()
    assert one.content["boxes"] == [[2, 1, 4, 3], [6, 5, 8, 7]] and other.content["boxes"] == []
    with pytest.raises(UserError, match=r"several rows; if each is a box, set data\.boxes=auto"):
        table(tmp_path, "image,x1,y1,x2,y2\na.png,1,2,3,4\na.png,5,6,7,8\n").records()


def test_a_case_that_lacks_a_channel_is_a_fault_and_never_has_one_twice(tmp_path, volume):
    for n in range(7):
        for name in ("t1", "t2"):
            volume(f"{name}/{n}.nii.gz")
    rows = "".join(f"t1/{n}.nii.gz;t2/{n}.nii.gz,c{n}\n" for n in range(6)) + "t1/6.nii.gz,c6\n"
    source = table(tmp_path, f"image,case\n{rows}", case="case", channels=2, spatial_dims=3)
    found = source.records()
    assert [f.words for f in leaks(found)] == [
        "c6: has 1 image file (t1/6.nii.gz), the others have 2 (data.channels=2); add the missing "
        "channel, or leave the case out, or leave its place empty with data.missing=zero"
    ]
    with pytest.raises(ReadError, match=r"t1/6\.nii\.gz: has 1 channel, not data\.channels=2"):
        source.load(found[6])
    assert len(source.load(found[0])["image"]) == 2


@pytest.mark.parametrize("channels", [2, 3])
def test_grey_is_repeated_only_as_a_colour_picture(tmp_path, volume, picture, channels):
    volume("v.nii.gz"), picture("p.png"), picture("a.png"), picture("b.png"), picture("c.png")
    source = Folder(root=str(tmp_path), image="v.nii.gz", channels=channels)
    with pytest.raises(ReadError, match=rf"has 1 channel, not data\.channels={channels}"):
        source.load(source.records()[0])
    rows = table(tmp_path, "image\na.png;b.png;c.png\np.png\n", channels=3)
    with pytest.raises(ReadError, match=r"p\.png: has 1 channel, not data\.channels=3; a channel is missing"):
        rows.load(rows.records()[1])


def test_three_frames_are_not_mixed_as_if_they_were_colours(tmp_path, volume):
    volume("v.nii.gz", np.arange(6 * 7 * 8 * 3).reshape(6, 7, 8, 3).astype(np.int16))
    source = Folder(root=str(tmp_path), image="*.nii.gz", spatial_dims=3)
    with pytest.raises(ReadError, match="3 channels that are not colours"):
        source.load(source.records()[0])


def test_what_is_passed_over_is_counted(tmp_path, picture):
    picture("images/1.png")
    for name in ("._1.png", "2.mnc", "3.mnc", "notes.txt"):
        (tmp_path / "images" / name).write_bytes(b"x")
    found = Folder(root=str(tmp_path)).records()
    assert [r.case for r in found] == ["images_1"]
    (note,) = leaks(found)
    assert note.words == "files passed over: 1 ._*, 2 .mnc, 1 .txt" and not note.grave


def test_cases_of_one_name_are_named_with_their_files(tmp_path, picture):
    picture("a_b/c.png"), picture("a/b_c.png")
    (fault,) = leaks(Folder(root=str(tmp_path), image="*/*.png").records())
    assert fault.words == "a_b_c: two cases have this name (a/b_c.png and a_b/c.png); rename a file"


def test_images_without_a_mask_may_count_as_background(tmp_path, picture):
    """MVTec's layout: good images have no mask."""
    for name in ("train/good/0", "train/good/1", "train/good/2", "test/good/0", "test/blob/0"):
        picture(f"{name}.png")
    picture("ground_truth/blob/0_mask.png", np.eye(20, 16, dtype=np.uint8) * 255)
    how: dict[str, Any] = {
        "image": "t*/*/*.png",
        "label": "ground_truth/{parent}/{stem}_mask.png",
        "given_split": "{top}",
        "classes": ["good", "flaw"],
        "label_values": [0, 255],
    }
    strict = Folder(root=str(tmp_path), **how)
    with pytest.raises(ReadError, match=r"is not there; .*data\.missing_label=background"):
        strict.load(strict.records()[1])
    source = Folder(root=str(tmp_path), missing_label="background", **how)
    found = take(source.records(), source)
    assert [f.words for f in found.faults] == [
        "4 of 5 images have no mask and count as background (data.missing_label)"
    ]
    sums = {r.case: int(source.load(r)["label"].sum()) for r in source.records()}
    assert sums == {r.case: 16 if r.case == "test_blob_0" else 0 for r in source.records()}
    picture("ground_truth/blob/O_mask.png")  # an O for a zero: whose is it?
    (fault, *_) = [f for f in leaks(source.records()) if f.grave]
    assert "1 masks belong to no image: ground_truth/blob/O_mask.png" in fault.words
    (tmp_path / "ground_truth/blob/O_mask.png").unlink(), (tmp_path / "ground_truth/blob/0_mask.png").unlink()
    with pytest.raises(UserError, match="none of the 5 images has a mask"):
        source.records()


def test_a_repeated_fault_is_told_once(tmp_path, picture):
    for n in range(9):
        picture(f"images/{n}.png")
    picture("masks/8.png", np.ones((20, 16), np.uint8))
    source = Folder(root=str(tmp_path), label="masks/{name}", classes=["b", "a"])
    with pytest.raises(UserError) as caught:
        DataModule(source, batch_size=1, cache_dir=str(tmp_path / "c")).setup()
    lines = str(caught.value).splitlines()
    assert (
        len(lines) == 2
        and lines[0].endswith("... and 7 more (see `ganatomy check`)")
        and "masks/0.png" in lines[0]
    )


def test_labels_need_the_names_of_their_values(tmp_path, picture):
    picture("images/1.png")
    with pytest.raises(UserError, match=r"data\.label=masks/\{name\}: .*data\.classes=\[background,lesion\]"):
        Folder(root=str(tmp_path), label="masks/{name}")
