"""Tables with one row per box, as published, beside pictures in which the boxes are painted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image, ImageOps
from scipy.ndimage import find_objects, label

from ganatomy.data.quality.faults import examined
from ganatomy.data.records import Case
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.table import Table
from ganatomy.errors import UserError

HEIGHT, WIDTH = 40, 64
PAINTED = {"p1": [(3, 4, 13, 9), (20, 10, 44, 30)], "p2": [(0, 0, 5, 40)], "p3": []}
"""Corners x1, y1, x2, y2 of rectangles by picture: columns x1 to x2 - 1, rows y1 to y2 - 1."""


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """Pictures with white rectangles."""
    (tmp_path / "images").mkdir()
    for name, boxes in PAINTED.items():
        pixels = np.random.default_rng(len(name)).integers(0, 90, (HEIGHT, WIDTH)).astype(np.uint8)
        for x1, y1, x2, y2 in boxes:
            pixels[y1:y2, x1:x2] = 255
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    return tmp_path


def written(case: Case) -> list[list[float]]:
    """Boxes of a case in a fixed order, without the last digits of float32."""
    return sorted(np.round(case["boxes"], 3).tolist())


def seen(case: Case) -> list[list[float]]:
    """Boxes of the white parts of a picture, as scipy finds them."""
    parts = find_objects(label(case["image"][0] == 255)[0])
    return sorted([rows.start, columns.start, rows.stop, columns.stop] for rows, columns in parts)


def table(folder: Path, rows: list[dict[str, Any]], **how: Any) -> Table:
    pandas.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    return Table(root=str(folder), table="t.csv", **{"boxes": "auto"} | how)


def cases(source: Table) -> dict[str, Case]:
    return {Path(record.content["image"][0]).stem: source.load(record) for record in source.records()}


def rsna(x1, y1, x2, y2):
    return {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "Target": 1}


def vindr(x1, y1, x2, y2):
    return {"class_name": "mass", "class_id": 3, "x_min": x1, "y_min": y1, "x_max": x2, "y_max": y2}


def tensorflow(x1, y1, x2, y2):
    size = {"width": WIDTH, "height": HEIGHT}
    return {**size, "class": "mass", "xmin": x1, "ymin": y1, "xmax": x2, "ymax": y2}


def open_images(x1, y1, x2, y2):
    return {"XMin": x1 / WIDTH, "XMax": x2 / WIDTH, "YMin": y1 / HEIGHT, "YMax": y2 / HEIGHT}


def cvat(x1, y1, x2, y2):
    return {"label": "mass", "xtl": float(x1), "ytl": float(y1), "xbr": float(x2), "ybr": float(y2)}


def centres(x1, y1, x2, y2):
    return {"x_center": (x1 + x2) / 2, "y_center": (y1 + y2) / 2, "w": x2 - x1, "h": y2 - y1}


def from_zero(x1, y1, x2, y2):
    return {"x0": x1, "y0": y1, "x1": x2, "y1": y2}


def edges(x1, y1, x2, y2):
    return {"Left": x1, "Top": y1, "Right": x2, "Bottom": y2, "w": x2 - x1, "h": y2 - y1}


def nih(x1, y1, x2, y2):
    return {"Finding Label": "mass", "Bbox [x": x1, "y": y1, "w": x2 - x1, "h]": y2 - y1}


FORMS = [rsna, vindr, tensorflow, open_images, cvat, centres, from_zero, edges, nih]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "ending"), [("image_id", ""), ("filename", ".png"), ("Image Index", ".PNG")]
)
def test_columns_are_known_by_their_names(painted, form, column, ending):
    """The boxes are those that are seen in the pictures; an empty row is a picture without one."""
    rows = [{column: name + ending} | form(*box) for name, boxes in PAINTED.items() for box in boxes]
    rows.append({column: "p3" + ending})
    found = cases(table(painted, rows))
    assert set(found) == set(PAINTED) and len(found["p3"]["boxes"]) == 0
    for case in found.values():
        assert written(case) == seen(case)


@pytest.mark.parametrize(("units", "first", "last"), [("edges", 0, 0), ("pixels0", 0, -1), ("pixels1", 1, 0)])
def test_pixels_are_counted_in_three_ways(painted, units, first, last):
    rows = [
        {"image": f"images/{name}.png", "a": x1 + first, "b": y1 + first, "c": x2 + last, "d": y2 + last}
        for name, boxes in PAINTED.items() for x1, y1, x2, y2 in boxes
    ]  # fmt: skip
    source = table(painted, rows, boxes=["a", "b", "c", "d"], box_order="xyxy", box_units=units)
    for case in cases(source).values():
        assert sorted(case["boxes"].tolist()) == seen(case)


@pytest.mark.parametrize(("units", "first", "centre"), [("pixels0", 0, -0.5), ("pixels1", 1, 0.5)])
@pytest.mark.parametrize("order", ["xywh", "cxcywh"])
def test_a_pixel_that_is_numbered_begins_a_box_of_sides(painted, units, first, centre, order):
    rows = []
    for name, boxes in PAINTED.items():
        for x1, y1, x2, y2 in boxes:
            corner, middle = (x1 + first, y1 + first), ((x1 + x2) / 2 + centre, (y1 + y2) / 2 + centre)
            x, y = corner if order == "xywh" else middle
            rows.append({"image": name, "a": x, "b": y, "c": x2 - x1, "d": y2 - y1})
    source = table(painted, rows, boxes=["a", "b", "c", "d"], box_order=order, box_units=units)
    for case in cases(source).values():
        assert written(case) == seen(case)


def test_it_holds_the_boxes_that_coco_holds(painted):
    """The same objects in COCO's JSON and in a table of lists, x, y, width and height, a row each."""
    names, images = ["a", "b"], list(PAINTED)
    notes = [
        {"id": n, "image_id": images.index(name), "category_id": n % 2, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for n, (name, (x1, y1, x2, y2)) in enumerate((i, box) for i in images for box in PAINTED[i])
    ]
    about = {"images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate(images)]}
    about |= {"annotations": notes, "categories": [{"id": n, "name": name} for n, name in enumerate(names)]}
    (painted / "annotations.json").write_text(json.dumps(about))
    coco = Coco(root=str(painted), channels=1)
    rows = [
        {"image": images[note["image_id"]], "bbox": str(note["bbox"]), "kind": names[note["category_id"]]}
        for note in notes
    ]
    source = table(
        painted, rows, boxes="bbox", box_order="xywh", box_class="kind", missing_label="background"
    )
    listed = cases(source)
    for record in coco.records():
        other = coco.load(record)
        for key in ("boxes", "classes"):
            assert listed[Path(record.content["image"]).stem][key].tolist() == other[key].tolist()
    assert source.box_classes == coco.box_classes


def test_a_picture_that_is_stored_turned_has_the_boxes_of_what_a_viewer_shows(tmp_path):
    pixels = np.zeros((30, 50), np.uint8)
    pixels[5:15, 30:46] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    rows, columns = find_objects((shown == 255).astype(int))[0]
    box = {"x1": columns.start, "y1": rows.start, "x2": columns.stop, "y2": rows.stop}
    case = cases(table(tmp_path, [{"image": "a.png", **box}]))["a"]
    assert case["image"].shape == (1, 50, 30) and case["boxes"].tolist() == seen(case)


def test_a_dicom_is_found_by_its_uid(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = ComputedRadiographyImageStorage, "1.2.3.4", "CR"
    data.Rows, data.Columns, data.SamplesPerPixel, data.PixelRepresentation = HEIGHT, WIDTH, 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PhotometricInterpretation = "MONOCHROME2"
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[6:16, 20:50] = 255
    data.PixelData = pixels.tobytes()
    (tmp_path / "stage_2").mkdir()
    data.save_as(tmp_path / "stage_2/1.2.3.4.dcm", enforce_file_format=True)
    row = {"patientId": "1.2.3.4", "x": 20, "y": 6, "width": 30, "height": 10, "Target": 1}
    case = next(iter(cases(table(tmp_path, [row])).values()))
    assert case["boxes"].tolist() == [[6, 20, 16, 50]] == seen(case)


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (0, -1, 0, -1, 0, 0, 0, 0, -1)])
@pytest.mark.parametrize("form", ["LPS", "RAS", "indices"])
def test_boxes_of_volumes_lie_where_itk_has_them(tmp_path, direction, form):
    """LUNA16's annotations.csv: centre in mm and a diameter; and corners in the file's own indices."""
    itk = pytest.importorskip("SimpleITK")
    volume = itk.GetImageFromArray(np.zeros((20, 30, 40), np.int16))  # z, y, x
    (
        volume.SetSpacing((0.7, 0.8, 2.5)),
        volume.SetOrigin((-100.0, -80.0, 300.0)),
        volume.SetDirection(direction),
    )
    (tmp_path / "subset0").mkdir()
    itk.WriteImage(volume, str(tmp_path / "subset0/1.3.6.1.4.145.mhd"))
    index, diameter = np.array([12.0, 9.0, 7.0]), 5.6
    half = diameter / 2 / np.array(volume.GetSpacing())
    wanted = [*(index + 0.5 - half), *(index + 0.5 + half)]
    x, y, z = volume.TransformContinuousIndexToPhysicalPoint(index.tolist())
    row: dict[str, Any] = {"coordX": x, "coordY": y, "coordZ": z, "diameter_mm": diameter}
    how: dict[str, Any] = {"spatial_dims": 3}
    if form == "RAS":
        row, how = (
            {"coordX": -x, "coordY": -y, "coordZ": z, "diameter_mm": diameter},
            how | {"box_units": "RAS"},
        )
    if form == "indices":
        row = dict(zip(("xmin", "ymin", "zmin", "xmax", "ymax", "zmax"), wanted, strict=True))
    source = table(tmp_path, [{"seriesuid": "1.3.6.1.4.145", **row}], **how)
    (record,) = source.records()
    assert source.load(record)["boxes"][0].tolist() == pytest.approx(wanted, abs=1e-3)


def test_what_the_table_does_not_say_is_told(painted):
    rows = [{"image": "p1", "conf": 0.5, "class": "a"} | from_zero(*PAINTED["p1"][0])]
    source = table(painted, rows)
    words = " ".join(fault.words for record in source.records() for fault in record.problems)
    assert "boxes in 1 of 1 rows; x0, y0, x1, y1 are x1 y1 x2 y2, pixels from the edge" in words
    assert "class: class" in words and "conf is not read" in words
    assert "2 images have no row in t.csv (images/p2.png, images/p3.png) and are left out" in words
    source = table(painted, rows, missing_label="background")
    assert [r.case for r in source.records()] == ["images_p1", "images_p2", "images_p3"]
    (painted / "more").mkdir()
    Image.fromarray(np.eye(9).astype(np.uint8)).save(painted / "more/p9.png")
    told = [fault.words for record in table(painted, rows).records() for fault in record.problems]
    assert any(
        words.startswith("1 images in other folders have no row in t.csv (more/p9.png)") for words in told
    )
    every = table(painted, rows, missing_label="background", where="*/*").records()
    assert len(every) == 4
    with pytest.raises(UserError, match=r"no subject \(data\.subject\); give them rows without box$"):
        table(painted, [rows[0] | {"who": 1}], missing_label="background", subject="who").records()


def test_patients_that_nobody_names_are_told(painted):
    def told(**how: Any) -> str:
        source = table(painted, [{"image": "p1", "Patient ID": 1} | from_zero(*PAINTED["p1"][0])], **how)
        return " ".join(fault.words for fault in source.records()[0].problems)

    assert "data.subject=Patient ID keeps one in one split" in told()
    assert "data.subject" not in told(subject="Patient ID")


def test_sizes_that_the_table_states_are_held_against_the_pictures(painted):
    rows = [{"image": "p1"} | tensorflow(*PAINTED["p1"][0]) | {"width": HEIGHT, "height": WIDTH}]
    source = table(painted, rows)
    _, faults = examined(source.records()[0], source)
    assert any("rotated by 90 degrees?" in fault.words for fault in faults)


ROW = {"image": "p1", "xmin": 3, "ymin": 4, "xmax": 13, "ymax": 9}
WRONG: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    ([ROW | {"ymax": None}], {}, r"row 2: ymax is empty"),
    ([ROW | {"ymax": "9 px"}], {}, r"row 2: ymax holds '9 px', a number is needed"),
    ([{"image": "p1", "p": 3, "q": 4}], {}, r"of the columns image, p, q the names do not tell"),
    ([ROW], {"boxes": ["xmin", "ymin"], "box_order": "xyxy"}, r"2 columns, but a box has 4 numbers"),
    ([ROW | {"x1": 3}], {}, r"columns xmin and x1 could both be x1"),
    ([ROW | {"label": "a", "class": "b"}], {}, r"label and class could both hold the class of a box"),
    ([{"image": "p1", "x": 0.3, "y": 0.4, "w": 0.5, "h": 0.1}], {}, r"cxcywh or xywh"),
    ([{"image": "p1", "xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}], {}, r"relative or edges"),
    ([ROW], {"box_units": "relative"}, r"13 is no fraction"),
    ([ROW], {"box_units": "LPS"}, r"boxes in mm need x, y and z"),
    ([ROW], {"box_units": "mm"}, r"data\.box_units=mm: choose"),
    ([ROW], {"box_order": "xywh"}, r"the names do not tell"),
    ([{"image": "p1", "b": "[3,4,10,2]"}], {"boxes": "b"}, r"3, 4, 10, 2, are no lower and upper corner"),
    ([ROW | {"who": 1}, ROW | {"who": 2}], {"subject": "who"}, r"rows 2 and 3.*its subject is 1 and 2"),
    ([ROW], {"boxes": None, "image": "nowhere"}, r"if a row is a box, set data\.boxes=auto"),
    ([ROW | {"class": "c"}], {"box_classes": ["a"]}, r"row 2: c is not in data\.box_classes"),
    ([{"image": "p", "cx": 1, "cy": 2, "cz": 3, "diameter": 4}], {"spatial_dims": 3}, r"in mm\?.*LPS"),
]


@pytest.mark.parametrize(("rows", "setting", "words"), WRONG)
def test_what_could_be_two_things_is_refused_in_one_line(painted, rows, setting, words):
    with pytest.raises(UserError, match=words) as caught:
        table(painted, rows, **setting).records()
    assert "\n" not in str(caught.value)


def test_a_name_of_two_images_is_refused_only_if_the_table_uses_it(painted):
    (painted / "masks").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(painted / "masks/p1.png")
    with pytest.raises(UserError, match=r"images/p1\.png and masks/p1\.png have the same name"):
        table(painted, [ROW]).records()
    assert table(painted, [ROW], where="images/*").records()[0].case == "images_p1"
    assert table(painted, [ROW | {"image": "p2"}]).records()[0].case == "images_p2"
