"""What sources refuse: a missing package, settings that mean nothing, files that contradict them."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.data.io.dicom import files as dicom_files
from ganatomy.data.io.dicom.outputs import segmentation
from ganatomy.data.io.readers import door
from ganatomy.data.sources import icbm, stacked_digits
from ganatomy.data.sources.annotations import outlines
from ganatomy.data.sources.blobs.cells import Cells
from ganatomy.data.sources.blobs.nodules import Nodules
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.medmnist import MedMnist
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.errors import UserError


@pytest.mark.parametrize(
    ("package", "ask", "line"),
    [
        ("pydicom", dicom_files.pydicom, 'DICOM files need pydicom: pip install "ganatomy[data]"'),
        (
            "highdicom",
            segmentation._highdicom,
            'DICOM SEG files need highdicom: pip install "ganatomy[data]"',
        ),
        (
            "pycocotools",
            outlines._mask_tools,
            'COCO segmentations need pycocotools: pip install "ganatomy[data]"',
        ),
        (
            "sklearn.datasets",
            stacked_digits.digits.__wrapped__,
            "data=stacked_digits: the package scikit-learn, which holds the digits, is missing; install it",
        ),
    ],
)
def test_a_package_that_is_missing_is_named(
    package: str, ask: Callable[[], Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError) as refused:
        ask()
    assert str(refused.value) == line


def test_the_template_needs_nilearn_and_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for spec, line in (
        (None, "^data=brain: the package nilearn, which holds the template, is missing; install it$"),
        (
            types.SimpleNamespace(origin=str(tmp_path / "__init__.py")),
            "^data=brain: the installed nilearn lacks .*t1",
        ),
    ):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, spec=spec: spec)
        with pytest.raises(UserError, match=line):
            icbm.template.__wrapped__()


def test_a_compression_that_needs_a_package_says_which(
    picture: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    picture("a.png")

    def fails(*given: Any) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(door, "_open", fails)
    source = Folder(root=str(tmp_path), image="*.png")
    with pytest.raises(UserError, match=r'a\.png: needs imagecodecs: pip install "ganatomy\[data\]"$'):
        source.load(source.records()[0])


@pytest.mark.parametrize(
    ("make", "settings", "line"),
    [
        (Nodules, {"subjects": 2}, "data.subjects=2: at least 3 are needed"),
        (Nodules, {"noise": -0.1}, "data.noise=-0.1: must not be negative"),
        (Cells, {"objects": (1.5, 3)}, r"data.objects=\[1.5, 3\]: give whole numbers"),
    ],
)
def test_settings_that_mean_nothing(make: Any, settings: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}$"):
        make(**settings)


def test_a_table_says_which_cell_does_not_suit_its_settings(picture: Any, tmp_path: Path) -> None:
    picture("a.png")
    for cells, settings, line in (
        ("[[1,2,5,8]];cat,dog", {}, "row 1: 1 boxes, but 2 of names; give one for all, or one for each"),
        (
            "[[1,2,5,8]];cat",
            {"box_classes": ["dog"]},
            r"row 1: cat is not in data.box_classes=\[dog\]; add it",
        ),
        (
            "[];x",
            {"instances": "maps"},
            "data.instances=maps: boxes are made of these files; take out data.boxes",
        ),
        ("[[1,2,5,8]];cat", {"box_order": "corners"}, "^data.box_order=corners: choose "),
        (
            "[[1,2,3,5,8,9]];cat",
            {"box_units": "LPS"},
            "^data.box_units=LPS: such boxes of volumes are in edges$",
        ),
        (
            "[];x",
            {"kind": "image", "image_classes": ["dog"]},
            r"row 1: a.png is not in data.image_classes=\[dog\]; add it",
        ),
    ):
        boxes, names = cells.split(";")
        row = {"image": "a.png", "boxes": json.loads(boxes), "names": names.split(","), "maps": "a.png"}
        (tmp_path / "index.json").write_text(json.dumps([row]))
        with pytest.raises(UserError, match=line):
            Table(
                root=str(tmp_path), table="index.json", boxes="boxes", box_class="names", **settings
            ).records()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("index.json", '{"image": "a.png"}', r"is not a list of rows, \[{column: value, ...}, ...\]$"),
        ("index.json", "[", "cannot be read \\(.*line 1"),
        ("index.csv", "image\n" + "x" * 200_000, "cannot be read .*field larger than"),
        ("index.csv", 'image\n"a\nb.png"\n', r"row 2: its image holds the hidden character \\n; remove it$"),
    ],
)
def test_a_table_that_is_none(name: str, text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=line):
        Table(root=str(tmp_path), table=name).records()


def test_a_class_with_a_hidden_character(picture: Any, tmp_path: Path) -> None:
    picture("a.png")
    with pytest.raises(
        UserError, match=r'data.classes: "a\\x1bb" has the hidden character \\x1b; rename the class'
    ):
        Folder(root=str(tmp_path), image="*.png", label="*.png", classes=["bg", "a\x1bb"]).records()


def test_two_classes_of_one_name_or_value(picture: Any, tmp_path: Path) -> None:
    picture("a.png")
    how: Any = {"root": str(tmp_path), "image": "*.png"}
    with pytest.raises(UserError, match=r"^data.classes: two classes are called a; give each a name"):
        Folder(**how, label="*.png", classes=["bg", "a", "a"]).records()
    with pytest.raises(UserError, match=r"^data.image_classes: two classes are called 1;"):
        Folder(**how, image_classes=["1", 1]).records()
    with pytest.raises(UserError, match=r"^data.label_values: 255 is there twice; give each class a value"):
        Folder(**how, classes=["bg", "a", "b"], label_values=[0, 255, 255])


def test_an_exclusion_of_nothing_is_noted(picture: Any, tmp_path: Path) -> None:
    picture("a.png"), picture("b.png")
    how: Any = {"root": str(tmp_path), "image": "*.png"}
    (note,) = Folder(**how, exclude="c*.png").records()[0].problems
    assert not note.grave and note.words.startswith("data.exclude=c*.png: no file in ")
    (kept,) = Folder(**how, exclude="b*.png").records()
    assert kept.case == "a" and not kept.problems


def test_coco_with_two_files_for_a_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data.annotations: val has two files, a.json and b.json"):
        Coco(root=str(tmp_path), annotations={"val": "a.json", "validation": "b.json"}).records()


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ({"training": ["a.nii.gz"]}, "dataset.json: training lists cases without image and label; name both"),
        (
            {"training": [{"image": "a.nii.gz"}]},
            "dataset.json: case a.nii.gz has no image and label; name both",
        ),
        (
            {"file_ending": ".mha"},
            r"labelsTr holds no file of dataset.json's file_ending .mha \(.nii.gz are there\)",
        ),
    ],
)
def test_a_decathlon_description_that_does_not_fit(
    about: dict[str, Any], line: str, volume: Any, tmp_path: Path
) -> None:
    volume("labelsTr/a.nii.gz", np.zeros((6, 7, 8), np.uint8))
    names = {"labels": {"background": 0, "tumour": 1}, "channel_names": {"0": "CT"}}
    (tmp_path / "dataset.json").write_text(json.dumps(names | about))
    with pytest.raises(UserError, match=line):
        Decathlon(root=str(tmp_path)).records()


@pytest.mark.parametrize(
    ("content", "settings", "line"),
    [
        (None, {}, r"^data.annotations=Annotations/\*.xml: no file in .* matches"),
        ("<annotation>", {}, "is not an XML file of Pascal VOC .*; replace or remove it"),
        ("<annotation><object/></annotation>", {}, "an object has no <name>; name its class"),
        (
            "<object><name>cat</name></object>",
            {},
            "a box of cat has no four numbers in its bndbox; write xmin,",
        ),
        (
            "<object><name>cat</name><robndbox/></object>",
            {},
            r"cat is rotated \(robndbox\); write upright boxes",
        ),
        (
            "<object><name>cat</name></object>",
            {"box_classes": ("dog",)},
            r"cat is not in data.box_classes=\[dog\]; add it",
        ),
    ],
)
def test_voc_that_does_not_fit(
    content: str | None, settings: dict[str, Any], line: str, picture: Any, tmp_path: Path
) -> None:
    picture("JPEGImages/a.png", shape=(20, 16, 3))
    if content is not None:
        (tmp_path / "Annotations").mkdir()
        inside = content if "annotation" in content else f"<filename>a.png</filename>{content}"
        text = inside if "annotation" in inside else f"<annotation>{inside}</annotation>"
        (tmp_path / "Annotations/a.xml").write_text(text)
    with pytest.raises(UserError, match=line):
        Voc(root=str(tmp_path), **settings).records()


def test_medmnist_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(**settings: Any) -> MedMnist:
        return MedMnist(root=str(tmp_path), **{"name": "own", "spatial_dims": 2, "channels": 1} | settings)

    class Offline:
        def __init__(self, **given: Any) -> None:
            raise RuntimeError("no network")

    package = types.SimpleNamespace(INFO={"there": {"python_class": "Offline"}}, Offline=Offline)
    monkeypatch.setitem(sys.modules, "medmnist", package)
    with pytest.raises(UserError, match=r"^data.name=nothing: medmnist has no such set; see its list"):
        own(name="nothing", download=True)
    with pytest.raises(UserError, match=r"there\.npz: is not there and cannot be fetched \(no network\)$"):
        own(name="there", download=True)
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(
        UserError, match=r"own\.npz: is not there; put it there, or install medmnist to fetch it$"
    ):
        own(download=True)
    arrays = {f"{split}_images": np.zeros((2, 8, 8), np.uint8) for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.zeros((2, 1), np.uint8) for split in ("train", "val", "test")}
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(
        UserError, match=r"^data.finding=mass: own has one label per image; remove data.finding$"
    ):
        own(finding="mass").records()
    with pytest.raises(UserError, match=r"^data.spatial_dims=3: own is 2D; set it to 2$"):
        own(spatial_dims=3).records()
