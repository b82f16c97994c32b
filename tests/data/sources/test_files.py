"""Each layout as it is published, written small, read back."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.readers import ReadError
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.medmnist import MedMnist
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.data.summary import content_hash, summary
from ganatomy.errors import UserError


def mask(lesion: slice | None) -> np.ndarray:
    array = np.zeros((20, 16), np.uint8)
    if lesion:
        array[lesion, 4:9] = 255
    return array


def busi(tmp_path, picture) -> Folder:
    """BUSI as published: spaces, brackets, several masks of one image, normal images with an empty one."""
    for number in (1, 2, 10):
        picture(f"benign/benign ({number}).png")
        picture(f"benign/benign ({number})_mask.png", mask(slice(2, 6)))
    picture("benign/benign (1)_mask_1.png", mask(slice(12, 17)))
    picture("normal/normal (1).png")
    picture("normal/normal (1)_mask.png", mask(None))
    return Folder(
        root=str(tmp_path),
        image="*/*.png",
        exclude="*/*_mask*.png",
        label="{folder}/{stem}_mask*.png",
        kind="{parent}",
        classes=["background", "lesion"],
        label_values=[0, 255],
        boxes_from_label=True,
    )


def test_the_hash_of_the_data_is_of_bytes_not_of_dates_and_places(tmp_path, picture):
    """A copy made elsewhere and later has the same; a pixel that was changed has not, whatever its date."""

    def hashed(folder: Path) -> str:
        source = replace(original, root=str(folder))
        return content_hash(DataModule(source, 1, split=[1, 1, 1], cache_dir=str(tmp_path)))

    original = busi(tmp_path / "here", lambda name, *more: picture(f"here/{name}", *more))
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    changed = tmp_path / "there/normal/normal (1).png"
    before = changed.stat()
    for path in (tmp_path / "there").rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    assert hashed(tmp_path / "there") == hashed(tmp_path / "here")
    pixels = np.asarray(Image.open(changed)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(changed)
    os.utime(changed, (before.st_atime, before.st_mtime))
    assert hashed(tmp_path / "there") != hashed(tmp_path / "here")


def test_folder_reads_busi_as_published(tmp_path, picture):
    source = busi(tmp_path, picture)
    records = source.records()
    assert [r.content["class"] for r in records] == [0, 0, 0, 1] and source.image_classes == (
        "benign",
        "normal",
    )
    first = next(r for r in records if r.case == "benign_benign (1)")
    case = source.load(first)
    assert case["label"].sum() == (4 + 5) * 5
    assert sorted(case["boxes"].tolist()) == [[2, 4, 6, 9], [12, 4, 17, 9]] and case["classes"].tolist() == [
        0,
        0,
    ]
    tenth = source.load(next(r for r in records if "(10)" in r.case))
    assert tenth["label"].sum() == 4 * 5  # not the masks of image 1
    assert len(source.load(records[-1])["boxes"]) == 0


def test_folder_pairs_targets_and_reads_groups_and_splits(tmp_path, picture):
    for number in range(4):
        picture(f"p{number}/noisy.png")
        picture(f"p{number}/clean.png")
    rows = "file,group,split\np0,g,train\np1,g,train\np2,h,val\np3/noisy.png,i,test\n"
    (tmp_path / "splits.csv").write_text(rows)
    source = Folder(
        root=str(tmp_path),
        image="*/noisy.png",
        target="{folder}/clean.png",
        subject="{parent}",
        splits="splits.csv",
    )
    records = source.records()
    assert [(r.subject, r.split) for r in records] == [
        ("g", "train"),
        ("g", "train"),
        ("h", "val"),
        ("i", "test"),
    ]
    assert source.load(records[0])["target"].shape == (1, 20, 16)


def test_folder_takes_patients_from_names_and_splits_from_folders(tmp_path, picture):
    for name in ("training/00012_001", "training/00012_002", "validation/7_000", "testing/9_000"):
        picture(f"{name}.png")
    source = Folder(
        root=str(tmp_path),
        image="*/*.png",
        match=r"(?P<patient>\d+)_",
        subject="{patient}",
        given_split="{top}",
    )
    assert [(r.subject, r.split) for r in source.records()] == [
        ("9", "test"),
        ("00012", "train"),
        ("00012", "train"),
        ("7", "val"),
    ]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"root": "nowhere"}, "data.root=nowhere"),
        ({"image": "*.nii"}, r"data.image=\*.nii"),
        ({"match": "(?P<n>x+)"}, "data.match"),
        ({"label": "{patient}.png"}, "data.label"),
        ({"kind": "{parent}", "image_classes": ["other"]}, "data.image_classes"),
        ({"label_values": [0, 1]}, "data.label_values"),
        ({"splits": "gone.csv"}, "gone.csv"),
    ],
)
def test_folder_names_the_setting_at_fault(tmp_path, picture, setting, words):
    picture("a/b.png")
    with pytest.raises(UserError, match=words):
        Folder(**{"root": str(tmp_path), "image": "*/*.png"} | setting).records()


def test_table_reads_columns(tmp_path, picture):
    for name in "abcd":
        picture(f"deep/{name}.png")
    rows = [
        {"img": "a.png", "sick": "no", "who": "1", "part": "train", "box": "[]", "fold": "0"},
        {"img": "b.png", "sick": "yes", "who": "2", "part": "Validation", "box": "[[1,2,5,8]]", "fold": "1"},
        {
            "img": "c.png",
            "sick": "yes",
            "who": "3",
            "part": "test",
            "box": "[[1,2,5,8],[0,0,3,4]]",
            "fold": "",
        },
        {"img": "d.png", "sick": "maybe", "who": "3", "part": "test", "box": "[]", "fold": ""},
    ]
    with (tmp_path / "t.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    source = Table(
        root=str(tmp_path),
        table="t.csv",
        image="img",
        kind="sick",
        subject="who",
        given_split="part",
        boxes="box",
        given_fold="fold",
        where="*/*.png",
        keep={"sick": ["no", "yes"]},
    )
    records = source.records()
    assert [r.split for r in records] == ["train", "val", "test"] and source.image_classes == ("no", "yes")
    assert [r.fold for r in records] == [0, 1, None]
    case = source.load(records[2])
    assert case["boxes"].tolist() == [[2, 1, 8, 5], [0, 0, 4, 3]]  # rows first
    assert case["image"].shape == (1, 20, 16) and int(case["class"]) == 1


def test_table_reads_json_with_named_boxes(tmp_path, picture):
    picture("a.png")
    rows = [{"image": "a.png", "boxes": [[1, 2, 5, 8], [3, 3, 9, 9]], "names": ["wbc", "rbc"]}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    source = Table(root=str(tmp_path), table="t.json", boxes="boxes", box_class="names", box_order="yxyx")
    case = source.load(source.records()[0])
    assert source.box_classes == ("rbc", "wbc") and case["classes"].tolist() == [1, 0]
    assert case["boxes"].tolist() == [[1, 2, 5, 8], [3, 3, 9, 9]]


@pytest.mark.parametrize(
    ("text", "setting", "words"),
    [
        ("image\na.png\n", {"subject": "who"}, "data.subject=who"),
        ("image,b\na.png,[[1]]\n", {"boxes": "b"}, "row 2"),
        ("image,b\na.png,nonsense\n", {"boxes": "b"}, "row 2"),
        ("image,s\na.png,nowhere\n", {"given_split": "s"}, "row 2"),
        ("image\n", {}, "holds no rows"),
        ("image\na.png\n", {"keep": {"image": ["b"]}}, "data.keep"),
    ],
)
def test_table_names_the_row_at_fault(tmp_path, text, setting, words):
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        Table(root=str(tmp_path), **setting).records()


def test_decathlon_as_published(tmp_path, volume):
    for number in range(3):
        volume(f"imagesTr/hippocampus_{number:03d}.nii.gz")
        volume(f"labelsTr/hippocampus_{number:03d}.nii.gz", np.ones((6, 7, 8), np.uint8) * (number % 3))
    about = {
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [
            {
                "image": f"./imagesTr/hippocampus_{n:03d}.nii.gz",
                "label": f"./labelsTr/hippocampus_{n:03d}.nii.gz",
            }
            for n in range(3)
        ],
        "test": ["./imagesTs/hippocampus_900.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    source = Decathlon(root=str(tmp_path))
    records = source.records()
    assert source.classes == ("background", "Anterior", "Posterior") and source.channels == 1
    assert [r.case for r in records] == ["hippocampus_000", "hippocampus_001", "hippocampus_002"]
    assert source.load(records[2])["label"].max() == 2


def test_nnunet_raw_with_two_channels(tmp_path, volume):
    for case in ("BRATS_001", "BRATS_002"):
        written = [volume(f"imagesTr/{case}_{k:04d}.nii.gz") for k in range(2)]
        volume(f"labelsTr/{case}.nii.gz", np.zeros((6, 7, 8), np.uint8))
    about = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": 2,
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about | {"file_ending": ".nii.gz"}))
    source = Decathlon(root=str(tmp_path), subject=9)
    records = source.records()
    assert source.channels == 2 and source.classes == ("background", "tumour")
    assert np.array_equal(source.load(records[1])["image"], np.stack(written))
    assert records[0].subject == "BRATS_001"


def test_decathlon_wants_its_description(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.json"):
        Decathlon(root=str(tmp_path))


def test_coco_as_published(tmp_path, picture):
    for split in ("train", "val"):
        picture(f"{split}2017/000001.png", shape=(20, 16, 3))
        about = {
            "images": [{"id": 7, "file_name": "000001.png", "width": 16, "height": 20}],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 3, "bbox": [2, 4, 6, 8], "iscrowd": 0},
                {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            ],
            "categories": [{"id": 1, "name": "RBC"}, {"id": 3, "name": "WBC"}],
        }
        (tmp_path / f"instances_{split}.json").write_text(json.dumps(about))
    files = {"train": "instances_train.json", "val": "instances_val.json"}
    source = Coco(root=str(tmp_path), annotations=files, images="{split}2017")
    records = source.records()
    assert [(r.case, r.split) for r in records] == [("train2017_000001", "train"), ("val2017_000001", "val")]
    case = source.load(records[0])
    assert source.box_classes == ("RBC", "WBC")
    assert case["boxes"].tolist() == [[4, 2, 12, 8]] and case["classes"].tolist() == [1]


@pytest.mark.parametrize("text", ["{", "{}", '{"images": []}'])
def test_coco_names_a_file_that_is_none(tmp_path, text):
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(UserError, match=r"data\.annotations"):
        Coco(root=str(tmp_path)).records()


BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
XML = (
    "<annotation><filename>{name}.jpg</filename>"
    "<size><width>16</width><height>20</height><depth>3</depth></size>"
    f"<object><name>RBC</name><difficult>0</difficult>{BOX.format(3, 5, 9, 12)}</object>"
    f"<object><name>WBC</name><difficult>1</difficult>{BOX.format(1, 1, 16, 20)}</object>"
    "</annotation>"
)


def test_voc_as_published(tmp_path, picture):
    (tmp_path / "Annotations").mkdir()
    for name in ("a", "b"):
        picture(f"JPEGImages/{name}.jpg", shape=(20, 16, 3))
        (tmp_path / f"Annotations/{name}.xml").write_text(XML.format(name=name))
    source = Voc(root=str(tmp_path), one_based=True)
    records = source.records()
    case = source.load(records[1])
    assert source.box_classes == ("RBC", "WBC") and case["image"].shape == (3, 20, 16)
    assert case["boxes"].tolist() == [
        [4, 2, 12, 9],
        [0, 0, 20, 16],
    ]  # 1-based and inclusive, as the original VOC
    easy = Voc(root=str(tmp_path), skip_difficult=True)
    assert easy.load(easy.records()[0])["boxes"].tolist() == [[5, 3, 12, 9]]


def test_voc_keeps_the_images_of_a_patient_together(tmp_path, picture):
    for name in ("ann/left", "ann/right", "joe/left"):
        (tmp_path / f"Annotations/{name}.xml").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"Annotations/{name}.xml").write_text(XML.format(name=name))
        picture(f"JPEGImages/{name}.jpg", shape=(20, 16, 3))
    how = {"annotations": "Annotations/*/*.xml"}

    def subjects(**more: str) -> list[str]:
        return [record.subject for record in Voc(root=str(tmp_path), **how, **more).records()]

    assert len(set(subjects())) == 3
    assert subjects(subject="{parent}") == ["ann", "ann", "joe"]
    assert subjects(match=r"/(?P<who>..)[^/]*/", subject="{who}") == ["an", "an", "jo"]


def test_voc_reads_its_lists(tmp_path, picture):
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    for name in "abc":
        picture(f"JPEGImages/{name}.jpg", shape=(20, 16, 3))
        (tmp_path / f"Annotations/{name}.xml").write_text(XML.format(name=name))
    (tmp_path / "ImageSets/Main/train.txt").write_text("c\na\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("b\n")
    records = Voc(root=str(tmp_path), splits="ImageSets/Main").records()
    assert [record.split for record in records] == ["train", "val", "train"]


def test_voc_as_cbc_is_published(tmp_path, picture):
    for top in ("Training", "Testing"):
        picture(f"{top}/Images/x{top}.jpg", shape=(20, 16, 3))
        (tmp_path / top / "Annotations").mkdir()
        (tmp_path / top / f"Annotations/x{top}.xml").write_text(XML.format(name="renamed"))
    source = Voc(
        root=str(tmp_path),
        annotations="T*/Annotations/*.xml",
        image="{folder}/../Images/{stem}.jpg",
        given_split="{top}",
    )
    records = source.records()
    assert [(r.case, r.split) for r in records] == [
        ("Testing_Images_xTesting", "test"),
        ("Training_Images_xTraining", "train"),
    ]
    assert len(source.load(records[0])["boxes"]) == 2


def test_voc_names_the_file_at_fault(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/a.xml").write_text("<annotation><object>")
    with pytest.raises(UserError, match=r"a\.xml"):
        Voc(root=str(tmp_path)).records()


@pytest.mark.parametrize(
    ("shape", "spatial_dims", "channels"), [((8, 8), 2, 1), ((8, 8, 3), 2, 3), ((6, 6, 6), 3, 1)]
)
def test_medmnist_as_published(tmp_path, shape, spatial_dims, channels):
    rng = np.random.default_rng(0)
    counts = {"train": 6, "val": 3, "test": 3}
    arrays = {f"{s}_images": rng.integers(0, 255, (n, *shape)).astype(np.uint8) for s, n in counts.items()}
    arrays |= {f"{s}_labels": (np.arange(n) % 2)[:, None] for s, n in counts.items()}
    np.savez(tmp_path / "own.npz", **arrays)
    source = MedMnist(root=str(tmp_path), name="own", spatial_dims=spatial_dims, channels=channels)
    data = DataModule(source, batch_size=2, cache_dir=str(tmp_path / "cache"))
    assert summary(data)["cases"] == counts and data.image_classes == ("0", "1")
    case = source.load(data.records["val"][1])
    planted = arrays["val_images"][1]
    assert np.array_equal(case["image"], np.moveaxis(planted, -1, 0) if channels == 3 else planted[None])
    batch = next(iter(data.train_dataloader()))
    assert batch["class"].shape == (2,) and batch["image"].shape[1] == channels


def test_medmnist_holds_the_checksum_against_the_published_one(tmp_path, monkeypatch):
    published = {"own": {"MD5": "0" * 32, "label": {"0": "a"}, "python_class": "Own"}}
    monkeypatch.setitem(sys.modules, "medmnist", types.SimpleNamespace(INFO=published))
    (tmp_path / "own.npz").write_bytes(b"x")
    with pytest.raises(UserError, match="checksum"):
        MedMnist(root=str(tmp_path), name="own")


def test_medmnist_absent_or_damaged_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(UserError, match="install medmnist"):
        MedMnist(root=str(tmp_path), name="own")
    (tmp_path / "own.npz").write_bytes(b"PK damaged")
    with pytest.raises(UserError, match=r"own\.npz"):
        MedMnist(root=str(tmp_path), name="own").records()


def test_channels_are_made_only_where_that_is_honest(tmp_path, picture):
    grey, colour = picture("grey.png"), picture("colour.png", shape=(20, 16, 3))
    both = {r.case: r for r in Folder(root=str(tmp_path), image="*.png").records()}
    assert np.array_equal(
        Folder(root=str(tmp_path), channels=3).load(both["grey"])["image"], np.stack([grey] * 3)
    )
    luminance = Folder(root=str(tmp_path)).load(both["colour"])["image"]
    assert np.allclose(luminance[0], colour @ [0.299, 0.587, 0.114], atol=1e-3)
    with pytest.raises(ReadError, match="channels"):
        Folder(root=str(tmp_path), channels=2).load(both["colour"])
