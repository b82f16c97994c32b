"""A table or an annotation names files below data.root alone, whatever it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganatomy.data.io.readers import ReadError
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.errors import UserError
from ganatomy.text.tables import csv_text


def picture(path: Path, value: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set, and beside it a picture and a folder that is none of its business."""
    picture(tmp_path / "secret" / "secret.png", 99)
    picture(tmp_path / "data" / "images" / "a.png")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    return tmp_path / "data"


def table(root: Path, named: str, **more: Any) -> Table:
    (root / "index.csv").write_text(csv_text(["image", "label"], [{"image": named, "label": named}]))
    return Table(root=str(root), **more)


HOSTILE = [
    "../secret/secret.png", "images/../../secret/secret.png", "{tmp}/secret/secret.png",
    "..\\secret\\secret.png",
    "/etc/passwd", "C:\\x.png", "c:/x.png", "\\\\host\\share\\x.png", "//host/x.png", "file:///etc/passwd",
    "https://example.org/x.png", "s3://bucket/x.png", "~/x.png", "~root/x.png", "link/../secret.png", "..",
    "a.png;../secret/secret.png",
]  # fmt: skip


@pytest.mark.parametrize("named", HOSTILE)
def test_a_table_leads_nowhere_else(root: Path, named: str) -> None:
    named = named.replace("{tmp}", str(root.parent))
    for more in ({}, {"image": "image", "label": "label", "classes": ["no", "yes"]}):
        with pytest.raises(
            UserError, match=r"data\.root=.*; move it there, or set data\.outside=true$"
        ) as said:
            table(root, named, **more).records()
        assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    "named", ["images/a.png", "images\\a.png", "./images/../images/a.png", "{root}/images/a.png"]
)
def test_what_lies_below_is_read(root: Path, named: str) -> None:
    source = table(root, named.replace("{root}", str(root)))
    (record,) = source.records()
    assert source.load(record)["image"].max() == 7


def test_links_of_the_owner_are_followed_and_outside_can_be_asked_for(root: Path) -> None:
    for named, more in (("link/secret.png", {}), ("../secret/secret.png", {"outside": True})):
        source = table(root, named, **more)
        (record,) = source.records()
        assert source.load(record)["image"].max() == 99


@given(
    st.lists(st.sampled_from(["..", ".", "images", "link", "a.png", "secret.png", "secret", "", "~", "C:"]))
)
def test_no_path_opens_a_file_elsewhere(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    base = tmp_path_factory.getbasetemp() / "paths"
    if not base.exists():
        picture(base / "secret" / "secret.png", 99)
        picture(base / "data" / "images" / "a.png")
        (base / "data" / "link").mkdir()
    for named in ("/".join(parts), "\\".join(parts), f"{base}/data/{'/'.join(parts)}"):
        try:
            source = table(base / "data", named)
            cases = [source.load(record) for record in source.records()]
        except (UserError, ReadError):
            continue
        assert all(case["image"].max() == 7 for case in cases)


@pytest.mark.parametrize("named", ["../secret/secret.png", "/etc/passwd.png", "a/../../secret/secret.png"])
def test_annotations_lead_nowhere_else(root: Path, named: str) -> None:
    image = {"id": 1, "file_name": named, "width": 8, "height": 8}
    about = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
    (root / "annotations.json").write_text(json.dumps(about))
    (root / "Annotations").mkdir()
    (root / "Annotations" / "a.xml").write_text(f"<annotation><filename>{named}</filename></annotation>")
    for source in (
        Coco(root=str(root), channels=1),
        Voc(root=str(root), image="images/{filename}", channels=1),
    ):
        try:
            cases = [source.load(record) for record in source.records()]
        except (UserError, ReadError):
            continue
        assert all(case["image"].max() == 7 for case in cases)


def test_dataset_json_leads_nowhere_else(root: Path) -> None:
    rows = [{"image": "../secret/secret.png", "label": "./images/a.png"}]
    about = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "cell": 1}, "training": rows}
    (root / "dataset.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"^secret: its image \.\./secret/secret\.png is outside data\.root="):
        Decathlon(root=str(root), spatial_dims=2).records()
