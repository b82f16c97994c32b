"""Boxes and images stay together through every augmentation; turned boxes stay tight; bad ones are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import (
    RandAffined,
    RandFlipd,
    RandRotate90d,
    RandRotated,
    RandSpatialCropd,
    RandZoomd,
    Resized,
)
from monai.transforms.compose import Compose
from PIL import Image

from ganatomy.data.datamodule import DataModule
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.data.summary import summary
from ganatomy.data.transforms.augment import apply
from ganatomy.data.transforms.boxes import move_boxes, remaining_boxes
from ganatomy.data.transforms.patches import Patches
from ganatomy.errors import UserError

KEYS = ["image"]
WAYS = {
    "flip": [RandFlipd(KEYS, 1, 1)],
    "quarter turn": [RandRotate90d(KEYS, 1, 1)],
    "rotation": [RandRotated(KEYS, 0.6, prob=1, keep_size=True)],
    "rotation that keeps the corners": [RandRotated(KEYS, 0.6, prob=1, keep_size=False)],
    "crop": [RandSpatialCropd(KEYS, (30, 30), random_size=False)],
    "zoom": [RandZoomd(KEYS, 1, 0.7, 1.4)],
    "resize": [Resized(KEYS, (60, 32))],
    "affine": [RandAffined(KEYS, None, 1, 0.5, translate_range=5, scale_range=0.25, padding_mode="zeros")],
    "several": [
        RandFlipd(KEYS, 1, 0),
        RandRotated(KEYS, 0.5, prob=1),
        RandZoomd(KEYS, 1, 0.8, 1.3),
        RandSpatialCropd(KEYS, (32, 32), random_size=False),
    ],
}


def disc(shape: tuple[int, ...], centre: list[float], half: list[float]) -> torch.Tensor:
    places = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in shape], indexing="ij"), -1)
    radius = np.sqrt((((places - centre) / half) ** 2).sum(-1))
    return torch.from_numpy(np.clip((1.05 - radius) * 8, 0, 1).astype(np.float32))[None]


@pytest.mark.parametrize("way", WAYS)
def test_the_box_of_a_disc_surrounds_it_still(way):
    """Within a voxel and a half, after interpolation; an ellipse's box is exact under any turn."""
    seen = 0
    for seed in range(8):
        image = disc((48, 44), [20, 24], [9, 6])
        item = {"image": image, "boxes": torch.tensor([[11.0, 18, 29, 30]]), "classes": torch.tensor([2])}
        moved = apply(Compose(WAYS[way]).set_random_state(seed), item)
        pixels = np.argwhere(np.asarray(moved["image"])[0] > 0.35)
        if not len(moved["boxes"]):
            assert len(pixels) < 150  # most of it has left the picture: the whole has 170 pixels
            continue
        seen += 1
        assert np.abs(moved["boxes"][0].numpy() - [*pixels.min(0), *(pixels.max(0) + 1)]).max() <= 1.6
        assert moved["classes"].tolist() == [2]
    assert seen >= 4


def test_volumes_keep_their_boxes():
    ways = [
        RandFlipd(KEYS, 1, 2),
        RandAffined(KEYS, None, 1, [0.4, 0.4, 0.4], scale_range=0.2, padding_mode="zeros"),
    ]
    image = disc((24, 26, 28), [12, 13, 15], [6, 5, 7])
    box = torch.tensor([[6.0, 8, 8, 18, 18, 22]])
    for seed in range(4):
        item = {"image": image, "boxes": box, "classes": torch.tensor([0])}
        moved = apply(Compose(ways).set_random_state(seed), item)
        pixels = np.argwhere(np.asarray(moved["image"])[0] > 0.35)
        assert np.abs(moved["boxes"][0].numpy() - [*pixels.min(0), *(pixels.max(0) + 1)]).max() <= 1.6


def test_a_full_turn_in_steps_of_thirty_degrees_does_not_inflate_a_round_box():
    """Around the moved corners it would be (sin 30 + cos 30)^12 = 42 times as wide."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]]
    here, there = Grid(np.eye(4), (50, 50)), Grid(turn, (50, 50))
    boxes = np.array([[10.0, 12, 20, 22]])
    moved = boxes
    for _ in range(12):
        moved = move_boxes(moved, here, there)
    assert np.allclose(moved, boxes)


def test_a_box_with_less_than_half_left_is_given_up():
    boxes = np.array([[-4.0, 0, 4.1, 5], [-4.1, 0, 4, 5], [0, 2, 3, 5]])
    cut, kept = remaining_boxes(boxes, (20, 20))
    assert kept.tolist() == [True, False, True] and cut[0].tolist() == [0, 0, pytest.approx(4.1), 5]


@pytest.mark.parametrize("dims", [2, 3])
def test_patches_are_cut_about_boxes_and_take_those_that_lie_in_them(dims):
    rng = np.random.default_rng(0)
    image = rng.random((1, *[40] * dims)).astype(np.float32)
    corner = np.array([30.0, 3, 20][:dims])
    case = {
        "image": image,
        "boxes": np.r_[corner, corner + 5][None].astype(np.float32),
        "classes": np.array([1]),
        "affine": np.eye(4),
        "spacing": np.ones(dims),
    }
    inside = [Patches(16, 1.0)(case, None, seed) for seed in range(5)]
    for patch in inside:
        low, high = np.split(patch["boxes"][0], 2)
        window = (slice(None), *(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))
        whole = (slice(None), *(slice(int(a), int(a) + 5) for a in corner))
        assert np.array_equal(patch["image"][window], image[whole])
    anywhere = [Patches(16, 0.0)(case, None, seed) for seed in range(40)]
    assert 0 < sum(len(patch["boxes"]) for patch in anywhere) < 30


CORNERS = {
    "negative": ([-4.0, -5, 6, 7], "extends beyond"),
    "outside": ([50.0, 60, 70, 80], "lies outside"),
    "not a number": ([float("nan"), 2, 8, 9], "NaN or infinite"),
    "exchanged": ([9.0, 8, 2, 3], "has its corners swapped"),
}


def written(
    kind: str, root: Path, corners: list[float], name: str = "cell", image: str = "c.png"
) -> dict[str, Any]:
    """Six pictures of 20x16 with a box each; that of c.png has these corners (x first) and this class."""
    sound = [1.0, 2, 9, 8]
    rows = [(f"{k}.png", corners if k == "c" else sound, name if k == "c" else "cell") for k in "abcdef"]
    for number, (picture, *_) in enumerate(rows):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 16)).astype(np.uint8)
        Image.fromarray(pixels).save(root / picture)
    rows = [(image if row[0] == "c.png" else row[0], *row[1:]) for row in rows]
    if kind == "table":
        lines = [f'{picture},"[{json.dumps(box)}]",{word}' for picture, box, word in rows]
        (root / "index.csv").write_text("\n".join(["image,boxes,what", *lines]))
        return {"boxes": "boxes", "box_class": "what", "box_classes": ["cell"]}
    if kind == "coco":
        about: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
        for number, (picture, (x1, y1, x2, y2), word) in enumerate(rows, 1):
            about["images"].append({"id": number, "file_name": picture})
            kind_of = 1 if word == "cell" else 2
            note = {
                "id": number,
                "image_id": number,
                "category_id": kind_of,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }
            about["annotations"].append(note)
        (root / "annotations.json").write_text(json.dumps(about))
        return {"images": ".", "channels": 1, "box_classes": ["cell"]}
    (root / "Annotations").mkdir()
    for number, (picture, box, word) in enumerate(rows):
        values = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        inside = "".join(f"<{key}>{value}</{key}>" for key, value in values)
        text = f"<object><name>{word}</name><bndbox>{inside}</bndbox></object>"
        text = f"<annotation><filename>{picture}</filename>{text}</annotation>"
        (root / f"Annotations/{'abcdef'[number]}.xml").write_text(text)
    return {"image": "{filename}", "channels": 1, "box_classes": ["cell"]}


SOURCES = {"table": Table, "coco": Coco, "voc": Voc}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("fault", CORNERS)
def test_bad_corners_are_named_with_file_and_number(tmp_path, kind, fault):
    corners, words = CORNERS[fault]
    settings = written(kind, tmp_path, corners)
    data = DataModule(SOURCES[kind](root=str(tmp_path), **settings), 2, cache_dir=str(tmp_path / "k"))
    (told,) = summary(data)["faults"]
    assert "c.png: box 0 (" in told and words in told


@pytest.mark.parametrize(
    ("kind", "place"), [("table", "row 4"), ("coco", "annotations.json, annotation 3"), ("voc", "c.xml")]
)
def test_a_class_that_nobody_knows_is_named_with_its_place(tmp_path, kind, place):
    settings = written(kind, tmp_path, [1.0, 2, 9, 8], name="planet")
    with pytest.raises(UserError, match=place):
        SOURCES[kind](root=str(tmp_path), **settings).records()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_missing_image_is_named(tmp_path, kind):
    settings = written(kind, tmp_path, [1.0, 2, 9, 8], image="gone.png")
    with pytest.raises(UserError, match=r"gone\.png: is not there"):
        DataModule(SOURCES[kind](root=str(tmp_path), **settings), 2, cache_dir=str(tmp_path / "k")).setup()


@pytest.mark.parametrize(("key", "value"), [("image_id", 77), ("bbox", [1, 2, 3]), ("bbox", "left")])
def test_coco_annotations_that_lead_nowhere_are_named(tmp_path, key, value):
    settings = written("coco", tmp_path, [1.0, 2, 9, 8])
    about = json.loads((tmp_path / "annotations.json").read_text())
    about["annotations"][4][key] = value
    (tmp_path / "annotations.json").write_text(json.dumps(about))
    with pytest.raises(
        UserError, match=r"annotations\.json, annotation 5: .*" + ("77" if key == "image_id" else "bbox")
    ):
        Coco(root=str(tmp_path), **settings).records()
