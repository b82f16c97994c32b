"""Every file of conf/data composes and names real settings; the published layouts load, written small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CONF = Path(__file__).resolve().parents[2] / "conf/data"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "common")


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_real(compose, name):
    from ganatomy.config.resolve import validate

    cfg = compose(f"data={name}", tiny=False)
    validate(cfg)


@pytest.mark.parametrize("name", [n for n in NAMES if f"{n}_published" in NAMES])
def test_named_sets_say_where_they_come_from(name):
    text = (CONF / f"{name}.yaml").read_text()
    assert all(f"#   {word}" in text for word in ("get it", "licence", "cite")) and "http" in text


def busi(root: Path, picture: Callable[..., Any]) -> None:
    for kind in ("benign", "malignant", "normal"):
        for number in range(1, 8):
            mask = np.zeros((20, 16), bool)
            mask[3:9, 4:8] = kind != "normal"
            grey = np.random.default_rng(number).integers(0, 256, (20, 16, 1), np.uint8)  # stored three times
            picture(f"{root}/{kind}/{kind} ({number}).png", grey.repeat(3, 2))
            picture(f"{root}/{kind}/{kind} ({number})_mask.png", mask)
    picture(f"{root}/benign/benign (3)_mask_1.png", np.ones((20, 16), bool))


def cbc(root: Path, picture: Callable[..., Any]) -> None:
    box = "<bndbox><xmin>3</xmin><ymin>5</ymin><xmax>9</xmax><ymax>12</ymax></bndbox>"
    for folder, numbers in (("Training", range(9)), ("Testing", range(9, 12)), ("Validation", range(2))):
        for number in numbers:
            picture(f"{root}/{folder}/Images/BloodImage_{number:05d}.jpg", shape=(20, 16, 3))
            notes = root / folder / "Annotations"
            notes.mkdir(exist_ok=True)
            text = f"<annotation><object><name>RBC</name>{box}</object></annotation>"
            (notes / f"BloodImage_{number:05d}.xml").write_text(text)


def oct_pairs(root: Path, picture: Callable[..., Any]) -> None:
    for number in range(1, 19):
        for name in ("test", "average", "1", "2"):
            picture(f"{root}/{number}/{name}.tif", shape=(70, 90))


def nih(root: Path, picture: Callable[..., Any]) -> None:
    rows = ["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age"]
    for number in range(12):
        name = f"{number // 2 + 1:08d}_{number % 2:03d}.png"
        picture(f"{root}/images_{number % 3 + 1:03d}/images/{name}")
        rows.append(f"{name},{('No Finding', 'Pneumonia', 'Hernia|Mass')[number % 3]},0,{number // 2 + 1},50")
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join(rows))


def hippocampus(root: Path, volume: Callable[..., Any]) -> None:
    listed = []
    for number in range(6):
        name = f"hippocampus_{number:03d}.nii.gz"
        volume(f"{root}/imagesTr/{name}")
        volume(f"{root}/labelsTr/{name}", np.full((6, 7, 8), number % 3, np.uint8))
        listed.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    about = {"modality": {"0": "MRI"}, "labels": labels, "training": listed, "test": []}
    (root / "dataset.json").write_text(json.dumps(about))


def mednist(root: Path, picture: Callable[..., Any]) -> None:
    for kind in ("AbdomenCT", "ChestCT", "Hand"):
        for number in range(6):
            picture(f"{root}/{kind}/{number:06d}.jpeg", shape=(64, 64))


PUBLISHED: dict[str, tuple[str, Callable[..., None], list[int]]] = {
    "busi_published": ("Dataset_BUSI_with_GT", busi, [13, 4, 4]),
    "cbc_published": ("Complete-Blood-Cell-Count-Dataset", cbc, [7, 2, 3]),
    "oct_published": ("dt1_Bioptigen_SDOCT", oct_pairs, [10, 2, 6]),
    "nih_cxr_published": ("CXR8", nih, [5, 2, 1]),
    "hippocampus_published": ("Task04_Hippocampus", hippocampus, [4, 1, 1]),
    "mednist_published": ("MedNIST", mednist, [12, 3, 3]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_layouts_load(name, compose, picture, volume, tmp_path):
    from ganatomy.config.schema import Config
    from ganatomy.data.summary import summary
    from ganatomy.training.build import build_data

    folder, write, counts = PUBLISHED[name]
    (tmp_path / folder).mkdir()
    write(tmp_path / folder, volume if write is hippocampus else picture)
    words = [f"paths.data={tmp_path}", f"data.cache_dir={tmp_path}/cache", "data.batch_size=2"]
    data = build_data(Config.from_plain(compose(f"data={name}", *words, tiny=False)))
    assert list(summary(data)["cases"].values()) == counts
    assert summary(data)["faults"] == []
    batch = next(iter(data.train_dataloader()))
    assert len(batch["image"]) == 2 and np.isfinite(batch["image"].numpy()).all()
    if "busi" in name:
        assert set(np.unique(batch["label"])) <= {0, 1} and data.mask_classes == ("background", "lesion")
