"""VOC and COCO: where their images lie, what is stated as text, and boxes in other units or twice."""

from __future__ import annotations

import json

import pytest

from ganatomy.data.io.readers import ReadError
from ganatomy.data.quality.faults import inspect
from ganatomy.data.records import Fault
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.files.places import case_of, placed
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.errors import UserError

OBJECT = (
    "<object><name>cell</name>"
    "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>11</ymax></bndbox></object>"
)


@pytest.fixture
def voc(tmp_path, picture):
    def of(filename: str, size: str = "", thing: str = OBJECT, names=("a", "b"), **how) -> Voc:
        for name in names:
            picture(f"JPEGImages/{name}.png", shape=(20, 16, 3))
            path = tmp_path / f"Annotations/{name}.xml"
            path.parent.mkdir(exist_ok=True)
            named = filename.format(name=name)
            path.write_text(f"<annotation><filename>{named}</filename>{size}{thing}</annotation>")
        return Voc(root=str(tmp_path), **how)

    return of


def told(source, records) -> list[Fault]:
    return [fault for r in records for fault in (*r.problems, *inspect(r, source.load(r), source))]


@pytest.mark.parametrize(
    "filename",
    [
        "{name}.png",
        "/home/me/{name}.png",
        r"C:\data\{name}.png",
        "../../up/{name}.png",
        "{name}",
        " {name}.png ",
    ],
)
def test_the_image_of_an_annotation_is_found_by_its_name(voc, filename):
    source = voc(filename)
    assert [r.content["image"] for r in source.records()] == ["JPEGImages/a.png", "JPEGImages/b.png"]
    assert [r.case for r in source.records()] == ["JPEGImages_a", "JPEGImages_b"]
    assert source.load(source.records()[0])["boxes"].tolist() == [[3, 2, 11, 9]]


def test_a_name_of_two_endings_is_not_guessed(voc, picture):
    picture("JPEGImages/a.bmp", shape=(20, 16, 3))
    assert [r.case for r in voc("{name}").records()] == ["JPEGImages_a", "JPEGImages_b"]
    assert [r.content["image"] for r in voc("{name}").records()] == ["JPEGImages/a", "JPEGImages/b.png"]


def test_an_image_outside_the_root_is_one_line(voc):
    with pytest.raises(UserError, match=r"is outside data\.root"):
        voc("{name}.png", image="../../{stem}.png").records()


def test_an_annotation_without_an_image_or_a_class_is_named(voc):
    with pytest.raises(UserError, match=r"a.xml: names no image \(<filename>\)"):
        voc(" ").records()
    with pytest.raises(UserError, match=r"a.xml: an object has no <name>"):
        voc("{name}.png", thing=OBJECT.replace("cell", " ")).records()


def test_a_size_as_text_or_float_is_compared(voc):
    size = "<size><width>16.0</width><height> 40 </height><depth>3</depth></size>"
    source = voc("{name}.png", size)
    assert any("image of 16x40, the file is 16x20" in f.words for f in told(source, source.records()))


def test_an_annotation_that_names_another_image_is_told(voc):
    source = voc("a.png", names=("a", "b"))
    notes = [f.words for r in source.records() for f in r.problems if not f.grave]
    assert len(notes) == 1
    assert "b.xml: names a.png, but b.png exists too" in notes[0]
    assert not [f for r in voc("{name}.png").records() for f in r.problems]


def coco(tmp_path, picture, note, **image) -> Coco:
    picture("images/a.png", shape=(20, 16, 3))
    about = {
        "images": [{"id": 1, "file_name": "a.png"} | image],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1} | part for part in note],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(about))
    return Coco(root=str(tmp_path))


def test_sizes_written_as_text_are_compared(tmp_path, picture):
    source = coco(tmp_path, picture, [{"bbox": [2, 3, 7, 8]}], width="16", height="40")
    assert "image of 16x40, the file is 16x20" in told(source, source.records())[0].words


def test_an_area_tells_corners_from_sides(tmp_path, picture):
    with pytest.raises(
        UserError, match=r"annotation 1: its area is 56, that of a box with the corners 2, 3, 9, 11"
    ):
        coco(tmp_path, picture, [{"bbox": [2, 3, 9, 11], "area": 56}]).records()
    for fine in ({"area": 99}, {"area": 40}, {"area": 0}, {}):
        (record,) = coco(tmp_path, picture, [{"bbox": [2, 3, 9, 11]} | fine]).records()
        assert record.content["boxes"] == [[3, 2, 14, 11]]


def test_an_image_id_of_another_type_shows(tmp_path, picture):
    with pytest.raises(UserError, match='there is no image "1"'):
        coco(tmp_path, picture, [{"image_id": "1", "bbox": [2, 3, 7, 8]}]).records()


def test_fractions_are_no_pixels_and_copies_are_told(tmp_path, picture):
    source = coco(tmp_path, picture, [{"bbox": [0.1, 0.2, 0.5, 0.5]}])
    (fault,) = told(source, source.records())
    assert fault.grave
    assert "fractions of the image (0 to 1), pixels are needed" in fault.words
    source = coco(tmp_path, picture, [{"bbox": [0, 0, 1, 1]}])
    assert not told(source, source.records())
    source = coco(tmp_path, picture, [{"bbox": [2, 3, 7, 8]}, {"bbox": [2, 3, 7, 8]}])
    (fault,) = told(source, source.records())
    assert not fault.grave
    assert "1 of its 2 boxes are copies" in fault.words


def test_names_without_an_ending_keep_their_case(tmp_path):
    assert [case_of(name) for name in ("x/a.png", "x/a", "v1.2/a", "a.b.png", "a.nii.gz")] == [
        "x_a", "x_a", "v1.2_a", "a.b", "a.nii",
    ]  # fmt: skip
    assert placed(tmp_path, "images", "nowhere") == "images/nowhere"


def test_a_table_says_how_to_write_it(tmp_path, picture):
    picture("a.png")
    (tmp_path / "index.csv").write_text('image,boxes\na.png,"[(1,2,3,4)]"\n')
    with pytest.raises(
        UserError, match=r"boxes is not a list of boxes \(\[\(1,2.*\); write \[\[x1,y1,x2,y2\], ...\]"
    ):
        Table(root=str(tmp_path), boxes="boxes").records()
    (tmp_path / "index.csv").write_bytes("image\na.png\n".encode("utf-16"))
    with pytest.raises(UserError, match="is not UTF-8"):
        Table(root=str(tmp_path)).records()


@pytest.mark.parametrize("pattern", ["**.png", "/images/*.png", "", "images/***"])
def test_what_is_no_pattern_is_one_line(tmp_path, picture, pattern):
    picture("images/a.png")
    with pytest.raises(UserError, match="is not a pattern of files below"):
        Folder(root=str(tmp_path), image=pattern).records()


def test_what_is_no_expression_is_one_line(tmp_path, picture):
    picture("images/a.png")
    with pytest.raises(UserError, match="is not a regular expression"):
        Folder(root=str(tmp_path), match="(?P<a").records()


@pytest.mark.parametrize(
    "label", ["masks/{stem}*.png", "masks/*{stem}*.png", "masks/**/{stem}*.png", "**/masks/{stem}.png"]
)
def test_missing_masks_and_strangers_are_found_by_any_pattern(tmp_path, picture, label):
    for name in ("images/a.png", "images/b.png", "masks/a.png"):
        picture(name)
    how = {"label": label, "classes": ["background", "a"], "missing_label": "background"}
    records = Folder(root=str(tmp_path), **how).records()
    assert [r.content["label"] for r in records] == [["masks/a.png"], []]
    assert not [f for r in records for f in r.problems if f.grave]
    picture("masks/z.png")
    faults = [f.words for r in Folder(root=str(tmp_path), **how).records() for f in r.problems if f.grave]
    assert len(faults) == 1
    assert "1 masks belong to no image: masks/z.png" in faults[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_boxes_of_other_dimensions_are_never_cut_into_others(tmp_path, picture, count):
    """Two boxes of six numbers are no three boxes of four."""
    picture("a.png")
    cell = json.dumps([[1, 2, 3, 4, 5, 6 + k] for k in range(count)])
    (tmp_path / "index.json").write_text(json.dumps([{"image": "a.png", "boxes": cell}]))
    source = Table(root=str(tmp_path), table="index.json", boxes="boxes")
    with pytest.raises(ReadError, match=r"a.png: boxes of 6 numbers in 2 dimensions, where 4 are needed"):
        source.load(source.records()[0])
