"""YOLO's layouts, beside pictures in which the objects are painted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganatomy.data.records import Record
from ganatomy.data.sources.yolo import Yolo
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError

BOX = "1 0.5 0.25 0.25 0.1"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write pictures of different sizes, and texts."""

    def make(images: list[str], texts: Mapping[str, str]) -> Path:
        for number, name in enumerate(images):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 255, (40 + number, 64, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(path, format="PNG")
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def told(records: list[Record]) -> str:
    return "\n".join(fault.words for record in records for fault in record.problems)


def test_a_row_is_the_box_that_is_painted(tmp_path):
    """A text made of pixels by the format's own definition, and the pixels that have the colour."""
    (tmp_path / "images").mkdir(), (tmp_path / "labels").mkdir()
    rng, boxes = np.random.default_rng(0), {}
    for n in range(5):
        height, width = (int(side) for side in rng.integers(30, 90, 2))
        x1, y1 = rng.integers(0, 20, 2)
        x2, y2 = x1 + rng.integers(2, width - 20), y1 + rng.integers(2, height - 20)
        pixels = np.zeros((height, width), np.uint8)
        pixels[y1:y2, x1:x2] = 255
        Image.fromarray(pixels).save(tmp_path / f"images/{n}.png")
        numbers = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        (tmp_path / f"labels/{n}.txt").write_text(" ".join(f"{value:.6f}" for value in (0, *numbers)) + "\n")
        rows, columns = np.nonzero(pixels)
        boxes[n] = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    source = Yolo(root=str(tmp_path), channels=1)
    for n, record in enumerate(source.records()):
        assert np.allclose(source.load(record)["boxes"], [boxes[n]], atol=1e-3)


LAYOUTS: list[tuple[list[str], dict[str, str], list[str | None]]] = [
    (  # as the documentation of Ultralytics has it; the path is that of another machine
        ["images/train/a.PNG", "images/train/b.png", "images/val/c.png"],
        {
            "labels/train/a.txt": BOX, "labels/val/c.txt": BOX,
            "set.yaml": "path: /my/set\ntrain: images/train\nval: images/val\ntest:\nnames: {0: x, 1: y}",
        },
        ["train", "train", "val"],
    ),
    (  # as Roboflow exports it
        ["train/images/a_jpg.rf.1.png", "train/images/b.png", "valid/images/c.png"],
        {
            "train/labels/a_jpg.rf.1.txt": BOX, "train/labels/b.txt": "", "valid/labels/c.TXT": BOX,
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [x, y]\n",
        },
        ["train", "train", "val"],
    ),
    (  # Darknet: texts beside pictures, lists of splits
        ["obj/a.png", "obj/b.png", "obj/c.png"],
        {
            "obj/a.txt": BOX, "obj/c.txt": BOX, "train.txt": "data/obj/a.png\ndata/obj/b.png\n",
            "val.txt": "data/obj/c.png\n", "data.yaml": "names: [x, y]\ntrain: train.txt\nval: val.txt\n",
        },
        ["train", "train", "val"],
    ),
    (  # no .yaml: names from LabelImg's list, splits from folders
        ["images/train/a.png", "images/train/b.png", "images/valid/c.png"],
        {"labels/train/a.txt": BOX, "labels/valid/c.txt": BOX, "labels/classes.txt": "x\ny\n"},
        ["train", "train", "val"],
    ),
    (  # flat
        ["images/a.png", "images/b.png", "images/c.png"],
        {"labels/a.txt": BOX, "labels/c.txt": BOX, "classes.txt": "x\ny\n"},
        [None, None, None],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("images", "texts", "splits"), LAYOUTS)
def test_layouts_as_they_are_published(write, images, texts, splits):
    source = Yolo(root=str(write(images, texts)))
    records = source.records()
    assert [record.split for record in records] == splits and source.box_classes == ("x", "y")
    loaded = [source.load(record) for record in records]
    assert [case["classes"].tolist() for case in loaded] == [[1], [], [1]]
    for case in (loaded[0], loaded[2]):
        height, width = case["image"].shape[1:]
        wanted = [0.2 * height, 0.375 * width, 0.3 * height, 0.625 * width]
        assert np.allclose(case["boxes"], [wanted], atol=1e-4)
    if "train/labels/b.txt" not in texts:
        assert "1 of 3 images have no text file and count as images without boxes" in told(records)
    dealt = Splitting()([*records])
    assert all(record.split for record in dealt)


def test_polygons_have_the_bounds_and_the_pixels_that_pillow_paints(tmp_path):
    tools = pytest.importorskip("pycocotools.mask")
    (tmp_path / "images").mkdir(), (tmp_path / "labels").mkdir()
    height, width = 50, 80
    corners = [[(10, 5), (40, 8), (30, 30), (12, 28)], [(50, 10), (78, 10), (78, 44), (50, 44)]]
    Image.fromarray(np.eye(height, width).astype(np.uint8) * 255).save(tmp_path / "images/a.png")
    rows = [
        " ".join([str(n), *(f"{x / width:.8f} {y / height:.8f}" for x, y in each)])
        for n, each in enumerate(corners)
    ]
    (tmp_path / "labels/a.txt").write_text("\n".join(rows))
    source = Yolo(root=str(tmp_path), channels=1)
    case = source.load(source.records()[0])
    assert np.allclose(case["boxes"], [[5, 10, 30, 40], [10, 50, 44, 78]], atol=1e-3)
    assert "2 objects are polygons, of which the bounds are the boxes" in told(source.records())
    source.with_instances = True
    case = source.load(source.records()[0])
    for number, each in enumerate(corners):
        canvas = Image.new("L", (width, height))
        ImageDraw.Draw(canvas).polygon([(x - 0.5, y - 0.5) for x, y in each], fill=1)
        flat = [float(value) for corner in each for value in corner]
        exact = tools.decode(tools.frPyObjects([flat], height, width))[..., 0]
        place = case["classes"].tolist().index(number)
        found = case["instances"][0] == place + 1
        assert (found == exact).all() and (found != np.asarray(canvas)).mean() < 0.03


def test_what_is_left_over_is_told(write):
    texts = {"labels/a.txt": f"{BOX} 0.9\n", "labels/gone.txt": BOX, "labels/notes.txt": "by Ann\n"}
    (record,) = Yolo(root=str(write(["images/a.png"], texts))).records()
    (grave,) = [fault for fault in record.problems if fault.grave]
    assert grave.words.startswith("1 text files of boxes belong to no image: labels/gone.txt")
    assert "1 boxes have a sixth number, a confidence; it is not read" in told([record])


def test_key_points_behind_a_box_are_left_out(write):
    texts = {
        "labels/a.txt": f"{BOX} 0.1 0.2 2 0.3 0.4 0\n",
        "data.yaml": "names: [x, y]\nkpt_shape: [2, 3]\n",
    }
    source = Yolo(root=str(write(["images/a.png"], texts)))
    assert np.allclose(source.load(source.records()[0])["boxes"], [[8, 24, 12, 40]])


def test_a_template_says_where_texts_are(write):
    folder = write(["photos/a.png", "photos/b.png"], {"marks/a_boxes.txt": BOX})
    source = Yolo(root=str(folder), image="photos/*", boxes="marks/{stem}_boxes.txt", box_classes=["p", "q"])
    assert [len(source.load(record)["boxes"]) for record in source.records()] == [1, 0]
    with pytest.raises(UserError, match=r"no image has a text file of boxes, e\.g\. photos/a\.png"):
        Yolo(root=str(folder), image="photos/*").records()


WRONG: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"labels/a.txt": "0 12 30 50 80\n"}, {}, r"a\.txt, row 1: 12 is no fraction .* divide pixels"),
    ({"labels/a.txt": "\n0 nan 0.3 0.5 0.8\n"}, {}, r"row 2: nan is no number"),
    ({"labels/a.txt": "0 0.1 0.2 0.3\n"}, {}, r"has 4 numbers; class cx cy w h"),
    ({"labels/a.txt": "0 0.1 0.2 0.3 0.1 0.1 0.1 0.1\n"}, {}, r"has 8 numbers"),
    ({"labels/a.txt": "0,0.1,0.2,0.3,0.4\n"}, {}, r"is no row of numbers"),
    ({"labels/a.txt": "0.5 0.1 0.2 0.3 0.4\n"}, {}, r"its class is 0\.5; a whole number"),
    ({"labels/a.txt": "2 0.1 0.2 0.3 0.4\n", "d.yaml": "names: [x, y]"}, {}, r"class 2, but d\.yaml names 2"),
    ({"labels/a.txt": BOX, "d.yaml": "names: [x, y]\nnc: 3"}, {}, r"nc is 3, but there are 2 names"),
    ({"labels/a.txt": BOX, "d.yaml": "names: {1: x, 2: y}"}, {}, r"has no names of classes"),
    ({"labels/a.txt": BOX, "d.yaml": "names: [x, y]", "e.yml": "names: [x]"}, {}, r"d\.yaml and e\.yml both"),
    (
        {"labels/a.txt": BOX, "d.yaml": "names: [x, y]\ntrain: images\nval: images/"},
        {},
        r"in train and in val",
    ),
    ({"labels/a.txt": BOX, "d.yaml": "names: [x, y]\ntrain: pictures"}, {}, r"none of its images are below"),
    ({"labels/a.txt": BOX}, {"names": "gone.yaml"}, r"data\.names=.*gone\.yaml: cannot be read"),
    ({"labels/a.txt": BOX}, {"names": "gone.txt"}, r"data\.names=.*gone\.txt: cannot be read as a list of"),
    (
        {"labels/a.txt": BOX, "classes.txt": "x\ny", "labels/classes.txt": "y\nx"},
        {},
        r"^data\.names: .*/classes\.txt and .*/labels/classes\.txt do not name the same classes; choose",
    ),
]


@pytest.mark.parametrize(("texts", "setting", "words"), WRONG)
def test_what_is_wrong_is_named_in_one_line(write, texts, setting, words):
    with pytest.raises(UserError, match=words) as caught:
        Yolo(root=str(write(["images/a.png"], texts)), **setting).records()
    assert "\n" not in str(caught.value)


def test_a_text_of_other_letters_is_named(write):
    folder = write(["images/a.png"], {"labels/a.txt": BOX})
    (folder / "labels/a.txt").write_bytes("0 0.5 0.5 0.1 0.1 lésion".encode("utf-16"))
    with pytest.raises(UserError, match=r"a\.txt: cannot be read as text \(.*utf-8"):
        Yolo(root=str(folder)).records()


def test_boxes_without_a_polygon_make_no_instance_map(write):
    source = Yolo(root=str(write(["images/a.png"], {"labels/a.txt": BOX})))
    source.with_instances = True
    with pytest.raises(UserError, match=r"holds boxes without a polygon.*task\.instances=false"):
        source.records()
