"""COCO over several files, glued files, and boxes of what has a segmentation alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ganatomy.data.quality.leaks import leaks
from ganatomy.data.sources.annotations.rle import corners_of, unpacked
from ganatomy.data.sources.coco import Coco
from ganatomy.errors import UserError

maskApi = pytest.importorskip("pycocotools.mask")
SHAPE = (40, 30)


def note(number: int, image: Any, category: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": [1, 2, 3, 4]} | more


def about(
    images: dict[Any, str], notes: list[dict[str, Any]], categories: dict[Any, str], **more: Any
) -> Any:
    return {
        "images": [{"id": k, "file_name": name} | more for k, name in images.items()],
        "annotations": notes,
        "categories": [{"id": k, "name": name} for k, name in categories.items()],
    }


def boxed(**how: Any) -> dict[str, Any]:
    return about({1: "a.png"}, [note(1, 1, 1, **how)], {1: "a"}, width=16, height=20)


@pytest.fixture
def write(tmp_path, picture):
    def of(how: dict[str, Any] | None = None, **files: Any) -> Coco:
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
            for image in content["images"] if isinstance(content, dict) else ():
                name = image.get("file_name", "x.png").replace("\\", "/").rpartition("/")[2]
                picture(f"images/{name}", shape=(20, 16, 3))
        names: Any = (
            {name: f"{name}.json" for name in files} if len(files) > 1 else f"{next(iter(files))}.json"
        )
        return Coco(root=str(tmp_path), **({"annotations": names} | (how or {})))

    return of


def named(source: Coco) -> dict[str, list[str]]:
    return {
        r.content["image"]: [source.box_classes[k] for k in r.content["classes"]] for r in source.records()
    }


def test_a_template_says_which_images_are_of_one_patient(tmp_path, picture):
    names = ["p1/left.png", "p1/right.png", "p12/left.png"]
    (tmp_path / "annotations.json").write_text(json.dumps(about(dict(enumerate(names)), [], {1: "a"})))
    for name in names:
        picture(f"images/{name}", shape=(20, 16, 3))

    def subjects(**how: Any) -> list[str]:
        return [record.subject for record in Coco(root=str(tmp_path), **how).records()]

    assert subjects() == ["images_p12_left", "images_p1_left", "images_p1_right"]
    assert subjects(subject="{parent}") == ["p12", "p1", "p1"]
    assert subjects(match=r"p(?P<person>\d+)", subject="{person}") == ["12", "1", "1"]
    line = r"^data\.match=q\(\?P<n>\.\): does not match images/p1/left\.png; correct it$"
    with pytest.raises(UserError, match=line):
        subjects(match="q(?P<n>.)", subject="{n}")
    with pytest.raises(UserError, match=r"^data\.subject=\{person\}: no such word person"):
        subjects(subject="{person}")


def test_a_template_goes_before_the_patients_of_the_file(write):
    whole = about({1: "a.png", 2: "b.png"}, [], {1: "a"}, patient_id="jane")
    assert {record.subject for record in write(one=whole).records()} == {"jane"}
    assert {record.subject for record in write({"subject": "{stem}"}, one=whole).records()} == {"a", "b"}
    del whole["images"][1]["patient_id"]
    assert any("has no patient_id" in p.words for r in write(one=whole).records() for p in r.problems)
    assert not any(r.problems for r in write({"subject": "{stem}"}, one=whole).records())


def test_categories_are_joined_by_name(write):
    one, two = {1: "dim", 2: "bright"}, {1: "bright", 2: "dim"}
    source = write(
        train=about({1: "a.png"}, [note(1, 1, 1), note(2, 1, 2)], one),
        test=about({1: "b.png"}, [note(1, 1, 1), note(2, 1, 2)], two),
    )
    assert named(source) == {"images/a.png": ["dim", "bright"], "images/b.png": ["bright", "dim"]}
    assert source.box_classes == ("dim", "bright")


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ({3: "c", 1: "a"}, {2: "b"}, ("a", "b", "c")),  # numbers agree: by number, over all files, as ever
        ({1: "a"}, {1: "a", 5: "b"}, ("a", "b")),
        ({1: "a", 2: "b"}, {1: "c", 7: "a"}, ("a", "b", "c")),
        ({0: "b", 1: "a"}, {1: "b", 2: "a"}, ("b", "a")),
    ],
)
def test_the_order_of_classes_is_stable(write, first, second, names):
    source = write(train=about({1: "a.png"}, [], first), val=about({1: "b.png"}, [], second))
    notes = [fault for fault in leaks(source.records()) if fault.kind == "categories"]
    assert source.box_classes == names
    assert bool(notes) == (set(first.values()) != set(second.values())) and not any(n.grave for n in notes)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an id of two images": (
        about({}, [], {}) | {"images": [{"id": 1, "file_name": f"{name}.png"} for name in "ab"]},
        "a.png and b.png have the same id, 1",
    ),
    "a number of two names": (
        {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
        "category 1 is a and b",
    ),
    "a name of two numbers": (
        {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]},
        "category a has the numbers 1 and 2",
    ),
    "names that differ in capitals": (about({}, [], {1: "Cell", 2: "cell"}), "categories Cell and cell"),
    "a category that is not there": (
        about({1: "a.png"}, [note(1, 1, 9)], {1: "a"}),
        r"category 9 \(without a name\) is not in data.box_classes=\[a\]; add it",
    ),
    "an image that is not there": (about({1: "a.png"}, [note(1, 2, 1)], {1: "a"}), "there is no image 2"),
    "results": ([{"image_id": 1}], "is a list, like a results file"),  # type: ignore[dict-item]
    "an image without a file": (
        about({}, [], {}) | {"images": [{"id": 1}]},
        "images without id and file_name",
    ),
    "a rotated box": (boxed(bbox=[1, 2, 3, 4, 30]), "a rotated box"),
    "a turned box": (boxed(attributes={"rotation": 9.5}), "rotated by 9.5"),
    "no box": (boxed(bbox=[]), "its bbox is not"),
    "corners": (
        boxed(bbox=[4, 4, 12, 14], segmentation=[[4, 4, 12, 4, 12, 14]]),
        "it seems to hold two corners",
    ),
    "elsewhere": (
        boxed(bbox=[0, 0, 2, 2], segmentation=[[9, 9, 12, 9, 12, 14]]),
        "does not match its segmentation",
    ),
    "runs of another size": (
        boxed(segmentation={"size": [9, 9], "counts": [1, 80]}),
        "is 9x9, but its image is 16x20",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_contradicts_itself_is_named(write, kind):
    content, words = BAD[kind]
    with pytest.raises(UserError, match=words):
        write(train=content).records()


def test_a_file_or_an_image_of_two_splits_is_named(write):
    one = about({1: "a.png"}, [], {1: "a"})
    with pytest.raises(UserError, match=r"train\.json is given for two splits"):
        write({"annotations": {"train": "train.json", "val": "train.json"}}, train=one).records()
    faults = leaks(write(train=one, val=one).records())
    assert any(f.kind == "claim" and "images/a.png: is the image of two cases" in f.words for f in faults)


@pytest.mark.parametrize("name", ["a.png", "images/a.png", "/data/old/images/a.png", "old\\images\\a.png"])
def test_an_image_is_found_by_fewer_of_its_folders(write, name):
    source = write(train=about({1: name}, [], {1: "a"}))
    assert [r.content["image"] for r in source.records()] == ["images/a.png"]


def test_patients_are_told_for_all_images_or_for_none(write):
    content = about({1: "a.png", 2: "b.png"}, [], {1: "x"})
    content["images"][0]["patient_id"], content["images"][1]["patient_id"] = "p1", None
    (fault,) = leaks(write(train=content).records())
    assert "images/b.png has no patient_id" in fault.words and fault.grave


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = [rng.random(SHAPE) < share for share in (0.001, 0.02, 0.5)] * 4
    block = np.zeros(SHAPE, bool)
    block[3:9, 4:20] = True
    return [*found, block, np.ones(SHAPE, bool), np.eye(*SHAPE, dtype=bool), np.zeros(SHAPE, bool)]


@pytest.mark.parametrize("packed", [True, False])
def test_boxes_of_runs_are_those_of_pycocotools_and_of_the_mask(packed):
    for mask in masks():
        code = maskApi.encode(np.asfortranarray(mask.astype(np.uint8)))
        word = code["counts"].decode()
        runs = list(unpacked(word))
        turned = mask.T.ravel()
        ends = np.flatnonzero(np.diff(np.r_[0, turned.astype(int)])) if len(turned) else []
        assert runs == np.diff([0, *ends, turned.size]).tolist()  # counted here, background first
        found = corners_of({"size": list(SHAPE), "counts": word if packed else runs}, SHAPE)
        if not mask.any():
            assert found is None
            continue
        places = np.argwhere(mask)
        (y1, x1), (y2, x2) = places.min(0), places.max(0) + 1
        assert found == (x1, y1, x2, y2)
        x, y, w, h = maskApi.toBbox(code).tolist()
        assert found == (x, y, x + w, y + h)


@pytest.mark.parametrize("counts", ["0", [3, -1, 1198], [1, 2], "a~", [], "P"])
def test_runs_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="runs"):
        corners_of({"size": list(SHAPE), "counts": counts}, SHAPE)


def test_an_annotation_without_a_box_has_that_of_its_segmentation(write):
    polygons = [[2, 3, 8, 3, 8, 9], [10, 5, 12, 5, 12, 11.5]]
    block = np.zeros((20, 16), np.uint8)
    block[5:9, 4:7] = 1
    code = maskApi.encode(np.asfortranarray(block))
    runs = {"size": [20, 16], "counts": code["counts"].decode()}
    notes = [note(1, 1, 1, bbox=[], segmentation=polygons), note(2, 1, 1, segmentation=runs, bbox=None)]
    record = write(train=about({1: "a.png"}, notes, {1: "a"}, width=16, height=20)).records()[0]
    assert record.content["boxes"] == [[3, 2, 11.5, 12], [5, 4, 9, 7]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": None, "annotations": [], "categories": []}, "images is not a list"),
        (about({1: "a.png"}, [note(1, [1], 1)], {1: "a"}), "annotations without image_id and category_id"),
        (about({1: "a.png"}, [{"id": 1}], {1: "a"}), "annotations without image_id and category_id"),
        (about({1: "a.png"}, [], {1: None}), "categories without id and name"),
        (boxed(segmentation=[["a"] * 6]), "its segmentation holds something that is not a number"),
        (
            boxed(segmentation={"size": [20, 16], "counts": None}),
            "its segmentation holds something that is not a number",
        ),
    ],
)
def test_what_is_no_coco_is_told_in_words(tmp_path, content, words):
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=words) as caught:
        Coco(root=str(tmp_path)).records()
    assert not any(python in str(caught.value) for python in ("NoneType", "float()", "None", "not iterable"))


def test_a_file_that_is_not_there_is_said_in_words(tmp_path):
    with pytest.raises(UserError, match=r"annotations\.json: is not there$"):
        Coco(root=str(tmp_path)).records()
