"""One object, one box: of a file, of a value, of a part; and numbers of masks as they are stored."""

from __future__ import annotations

import json
from typing import Any

import nibabel
import numpy as np
import pytest

from ganatomy.data.io.readers import ReadError
from ganatomy.data.quality.inventory import take
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.sources.files.masks import class_numbers
from ganatomy.data.sources.folder import Folder
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError

SQUARES = {"a": (2, 2), "b": (2, 6), "c": (6, 2), "d": (12, 8)}  # of side 4: a touches b and c
BOXES = {(y, x, y + 4, x + 4) for y, x in SQUARES.values()}


def square(corner: tuple[int, int], value: int = 255) -> np.ndarray:
    out = np.zeros((20, 16), np.uint8)
    out[corner[0] : corner[0] + 4, corner[1] : corner[1] + 4] = value
    return out


def boxes(root, **how: Any) -> tuple[set[tuple[int, ...]], list[int]]:
    settings: dict[str, Any] = {
        "label": "masks/{stem}/*.png",
        "classes": ["bg", "cell"],
        "label_values": [0, 255],
    }
    source = Folder(root=str(root), boxes_from_label=True, **(settings | how))
    case = source.load(source.records()[0])
    return {tuple(int(v) for v in box) for box in case["boxes"]}, case["classes"].tolist()


def test_a_mask_file_is_an_object_even_where_it_touches_another(tmp_path, picture):
    picture("images/1.png")
    for name, corner in SQUARES.items():
        picture(f"masks/1/{name}.png", square(corner))
    assert boxes(tmp_path) == (BOXES, [0] * 4)
    picture("masks/1/e.png", square((0, 0)) | square((14, 0)))  # one object in two parts, cut by another
    assert boxes(tmp_path)[0] == BOXES | {(0, 0, 18, 4)}
    assert boxes(tmp_path, instances="parts")[0] != boxes(tmp_path)[0]
    picture("masks/1/empty.png", square((0, 0), 0))
    assert boxes(tmp_path)[0] == BOXES | {(0, 0, 18, 4)}


def test_organ_and_lesion_in_two_files_are_classes_with_their_parts(tmp_path, picture):
    picture("images/1.png")
    picture("masks/1/organ.png", square((2, 2), 1) | square((12, 8), 1))
    picture("masks/1/lesion.png", square((2, 10), 2))
    found, classes = boxes(tmp_path, classes=["bg", "organ", "lesion"], label_values=None)
    assert found == {(2, 2, 6, 6), (12, 8, 16, 12), (2, 10, 6, 14)} and sorted(classes) == [0, 0, 1]


def test_a_file_of_two_classes_is_no_object(tmp_path, picture):
    picture("images/1.png")
    picture("masks/1/x.png", square((2, 2), 1) | square((12, 8), 2))
    with pytest.raises(ReadError, match=r"x\.png: marks the classes \[1, 2\]"):
        boxes(tmp_path, classes=["bg", "a", "b"], label_values=None, instances="files")


@pytest.mark.parametrize("top", [0, 1000])
def test_values_may_count_objects(tmp_path, picture, top):
    """As instance maps do; the label then tells the object from the background."""
    picture("images/1.png")
    whole = np.zeros((20, 16), np.uint16)
    for number, corner in enumerate(SQUARES.values(), 1):
        whole[square(corner) > 0] = number + top
    picture("masks/1/map.png", whole)
    assert boxes(tmp_path, label_values=None, instances="values") == (BOXES, [0] * 4)
    source = Folder(
        root=str(tmp_path), label="masks/{stem}/map.png", classes=["bg", "cell"], instances="values",
        boxes_from_label=True,
    )  # fmt: skip
    label = source.load(source.records()[0])["label"]
    assert label.dtype == np.uint8 and np.array_equal(label[0], whole > 0)
    with pytest.raises(UserError, match=r"data\.instances=values: .* names 2 besides the background"):
        boxes(tmp_path, classes=["bg", "a", "b"], label_values=None, instances="values")


def test_files_and_boxes_are_counted(tmp_path, picture):
    for n in range(6):
        picture(f"images/{n}.png")
        for name, corner in SQUARES.items():
            picture(f"masks/{n}/{name}.png", square(corner))
    how: dict[str, Any] = {"classes": ["bg", "cell"], "label_values": [0, 255], "boxes_from_label": True}
    for instances, words in (
        (None, []),
        (
            "parts",
            [
                "24 mask files gave 12 boxes; data.instances sets what counts as one object "
                "(files, values or parts)"
            ],
        ),
    ):
        source = Folder(root=str(tmp_path), label="masks/{stem}/*.png", instances=instances, **how)
        found = take(Splitting()(source.records()), source)
        assert [f.words for f in found.faults if f.kind == "boxes of masks"] == words


def test_settings_of_masks_are_judged(tmp_path, picture):
    picture("images/1.png")
    for setting, words in (
        ({"instances": "file"}, "data.instances=file: choose null, files, values, parts"),
        ({"missing_label": "ignore"}, "data.missing_label=ignore: choose fault, background"),
    ):
        with pytest.raises(UserError, match=words):
            Folder(root=str(tmp_path), **setting)


def test_numbers_of_masks_are_exact(tmp_path):
    """More than 255 classes, numbers of 32 bits, and numbers that a scale factor moved by rounding."""
    ids = [0, 312782546, 312782550, *range(1, 300)]
    stored = np.array(ids, np.float64).reshape(1, -1, 2)
    assert class_numbers(stored, tmp_path, ids).ravel().tolist() == list(range(302))
    assert class_numbers(np.array([0, 40000, 70000]), tmp_path, None).tolist() == [0, 40000, 70000]
    assert class_numbers(np.array([0, 0.9999, 2.0004], np.float32), tmp_path, None).tolist() == [0, 1, 2]
    with pytest.raises(ReadError, match=r"not whole numbers \(0\.988.*scl_slope"):
        class_numbers(np.array([0, 0.988]), tmp_path, None)
    with pytest.raises(ReadError, match=r"label value 255 is not in"):
        class_numbers(np.array([0, 255], np.uint8), tmp_path, [0, 1])


def test_a_scale_factor_that_breaks_the_numbers_of_a_mask_is_named(tmp_path, volume):
    """Floats of 0..4 saved in 8 bits: nibabel scales them, and 1 comes back as 1.004."""
    volume("images/1.nii.gz")
    label = np.zeros((6, 7, 8))
    label[:2], label[2], label[3] = 1, 3, 4
    image = nibabel.Nifti1Image(label, np.eye(4))
    image.set_data_dtype(np.uint8)
    (tmp_path / "masks").mkdir()
    nibabel.save(image, tmp_path / "masks/1.nii.gz")
    names = [str(n) for n in range(5)]
    source = Folder(root=str(tmp_path), label="masks/{name}", classes=names, spatial_dims=3)
    with pytest.raises(ReadError, match="not whole numbers"):
        source.load(source.records()[0])


def test_colours_are_no_classes(tmp_path, picture):
    picture("images/1.png"), picture("masks/1.png", shape=(20, 16, 3))
    source = Folder(root=str(tmp_path), label="masks/{name}", classes=["bg", "a"])
    with pytest.raises(ReadError, match=r"masks/1\.png: a colour picture where a label map"):
        source.load(source.records()[0])


def test_a_target_in_other_units_is_told_and_a_like_one_is_not(tmp_path, volume):
    rng = np.random.default_rng(0)
    for n in range(2):
        volume(f"mr/{n}.nii.gz", rng.integers(0, 800, (6, 7, 8)).astype(np.uint16))
        volume(f"ct/{n}.nii.gz", rng.integers(-1024, 1500, (6, 7, 8)).astype(np.int16))
        volume(f"mr2/{n}.nii.gz", rng.integers(0, 900, (6, 7, 8)).astype(np.uint16))
    for target, count in (("ct/{name}", 2), ("mr2/{name}", 0)):
        source = Folder(root=str(tmp_path), image="mr/*", target=target, spatial_dims=3)
        told = [f for f in take(source.records(), source).faults if f.kind == "units"]
        assert len(told) == count and all("data.target_intensity" in f.words and not f.grave for f in told)


STATED = {
    "100x20": "was it resized or cropped",
    "20x16": "was it rotated by 90 degrees?",
}  # width x height; it is 16x20


@pytest.mark.parametrize("said", STATED)
@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_a_size_that_is_stated_is_the_files(tmp_path, picture, said, kind):
    from ganatomy.data.sources.coco import Coco
    from ganatomy.data.sources.voc import Voc

    picture("images/1.png", shape=(20, 16, 3))
    (tmp_path / "Annotations").mkdir()
    for words, faults in ((said, 1), ("16x20", 0), ("0x0", 0)):
        width, height = (int(n) for n in words.split("x"))
        image = {"id": 1, "file_name": "1.png", "width": width, "height": height}
        about = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
        (tmp_path / "annotations.json").write_text(json.dumps(about))
        size = f"<size><width>{width}</width><height>{height}</height><depth>1</depth></size>"
        (tmp_path / "Annotations/1.xml").write_text(
            f"<annotation><filename>1.png</filename>{size}</annotation>"
        )
        source = (
            Coco(root=str(tmp_path)) if kind == "coco" else Voc(root=str(tmp_path), image="images/{filename}")
        )
        records = source.records()
        found = [f for f in take(records, source).faults if f.grave]
        assert len(found) == faults and not leaks(records)
        if faults:
            assert (
                f"an image of {said}, the file is 16x20" in found[0].words and STATED[said] in found[0].words
            )
        assert "stated" not in source.content(records[0])  # the hash of the data is of what is loaded


def test_a_mask_in_nifti_without_a_place_fits_a_bare_stack(tmp_path, volume):
    """Neither file says where it lies: the voxels of one are those of the other."""
    (tmp_path / "images").mkdir()
    image = np.arange(6 * 7 * 8, dtype=np.uint16).reshape(6, 7, 8)
    np.save(tmp_path / "images/a.npy", image)
    volume("masks/a.nii", (image % 2).astype(np.uint8), np.eye(4))
    source = Folder(root=str(tmp_path), label="masks/{stem}.nii", classes=["no", "yes"], spatial_dims=3)
    case = source.load(source.records()[0])
    np.testing.assert_array_equal(case["label"][0], case["image"][0] % 2)
