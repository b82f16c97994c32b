"""COCO segmentations as instance maps, beside the masks of pycocotools' `annToMask`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask

from ganatomy.data.io.readers import ReadError
from ganatomy.data.known import set_instances
from ganatomy.data.sources.coco import Coco
from ganatomy.data.transforms.instances import NO_BOX
from ganatomy.errors import UserError

coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
maskApi = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
HEIGHT, WIDTH = 48, 40
TRIANGLE = [[3.2, 4.1, 19.7, 5.3, 8.4, 21.6]]
TWO_PARTS = [[22, 3, 30, 3, 30, 9, 22, 9], [22, 14, 30, 14, 30, 19.5, 22, 19.5]]
LEFT, RIGHT = [[4, 26, 12, 26, 12, 34, 4, 34]], [[12, 26, 20, 26, 20, 34, 12, 34]]  # they share a side
SMALL = [[24, 5, 28, 5, 28, 8, 24, 8]]  # inside the first part of TWO_PARTS


def ring() -> np.ndarray:
    """A square with a hole, which polygons cannot have."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[24:44, 22:38] = 1
    mask[30:38, 27:33] = 0
    return mask


def runs(mask: np.ndarray, packed: bool) -> dict[str, Any]:
    if packed:
        code = maskApi.encode(np.asfortranarray(mask))
        return {"size": [HEIGHT, WIDTH], "counts": code["counts"].decode()}
    flat = mask.T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(np.r_[0, flat, -1]))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *ends]).tolist()}


def written(
    root: Path, segmentations: list[Any], crowds: tuple[int, ...] = (), classes: tuple[int, ...] = ()
) -> Path:
    """Write a COCO file of one image, and the image."""
    (root / "images").mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(root / "images/a.png")
    notes = [
        {"id": n, "image_id": 1, "category_id": (classes or (1,) * 99)[n - 1], "segmentation": each}
        | {"iscrowd": int(n in crowds)}
        for n, each in enumerate(segmentations, 1)
    ]
    for note in notes:
        if note["segmentation"] is None:
            note["bbox"] = [1, 1, 5, 5]
    about = {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": notes,
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "debris"}],
    }
    (root / "annotations.json").write_text(json.dumps(about))
    return root


def loaded(root: Path, **settings: Any) -> dict[str, np.ndarray]:
    source = set_instances(Coco(root=str(root), **settings), True)
    return source.load(source.records()[0])


def masks_of(root: Path) -> list[np.ndarray]:
    known = coco.COCO(str(root / "annotations.json"))
    return [known.annToMask(known.anns[number]).astype(bool) for number in sorted(known.anns)]


@pytest.mark.parametrize("packed", [True, False])
def test_each_object_alone_is_the_mask_of_pycocotools(tmp_path, packed):
    for outline in (TRIANGLE, TWO_PARTS, TRIANGLE[0], runs(ring(), packed)):
        wrapped = [outline] if isinstance(outline, list) and not isinstance(outline[0], list) else outline
        root = written(tmp_path, [wrapped])
        (mask,) = masks_of(root)
        case = loaded(written(tmp_path, [outline]))  # a polygon without the list around it, too
        assert np.array_equal(case["instances"][0] == 1, mask) and mask.any()
        (y1, x1), (y2, x2) = np.argwhere(mask).min(0), np.argwhere(mask).max(0) + 1
        assert case["boxes"].tolist() == [[y1, x1, y2, x2]]


def test_a_polygon_is_where_another_library_draws_it(tmp_path):
    corners = np.array(TRIANGLE[0]).reshape(-1, 2)[:, ::-1]
    drawn = polygon2mask((HEIGHT, WIDTH), corners - 0.5)  # its pixel i is around i
    found = loaded(written(tmp_path, TRIANGLE and [TRIANGLE]))["instances"][0] == 1
    perimeter = np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).sum()
    assert np.logical_xor(found, drawn).sum() < perimeter / 2 and abs(found.sum() - drawn.sum()) < 12
    block = loaded(written(tmp_path, [LEFT]))["instances"][0]
    assert np.argwhere(block).min(0).tolist() == [26, 4] and (block == 1).sum() == 64


def test_touching_objects_stay_apart_and_parts_of_one_together(tmp_path):
    root = written(tmp_path, [LEFT, RIGHT, TWO_PARTS], classes=(1, 2, 1))
    case, masks = loaded(root), masks_of(root)
    numbers = case["instances"][0]
    by_number = [int(numbers[mask][0]) for mask in masks]
    for number, mask in zip(by_number, masks, strict=True):
        assert np.array_equal(numbers == number, mask)
    assert numbers[30, 11] != numbers[30, 12] and 0 not in (numbers[30, 11], numbers[30, 12])
    assert [int(case["classes"][number - 1]) for number in by_number] == [0, 1, 0]
    assert sorted(by_number) == [1, 2, 3]


def test_in_overlaps_the_smaller_is_on_top_and_a_hole_shows_what_is_in_it(tmp_path):
    inside = [[28, 31, 32, 31, 32, 37, 28, 37]]  # in the hole of the ring
    root = written(tmp_path, [SMALL, TWO_PARTS, runs(ring(), True), inside])
    case, masks = loaded(root), masks_of(root)
    numbers = case["instances"][0]
    areas = [int((numbers == numbers[mask][-1]).sum()) for mask in masks]
    small, parts, square, inner = (int(mask.sum()) for mask in masks)
    assert areas == [small, parts - small, square, inner]
    assert set(np.unique(numbers)) == {0, 1, 2, 3, 4}


def test_crowds_are_unknown_unless_they_are_kept(tmp_path):
    root = written(tmp_path, [LEFT, runs(ring(), False), [[18, 28, 24, 28, 24, 32, 18, 32]]], crowds=(2,))
    _, crowd, other = masks_of(root)
    case = loaded(root)
    numbers = case["instances"][0]
    assert (numbers[crowd & ~other] == NO_BOX).all() and (numbers[other] > 0).all()
    assert len(case["boxes"]) == 2 and (numbers == NO_BOX).sum() == (crowd & ~other).sum()
    kept = loaded(root, crowd=True)
    assert len(kept["boxes"]) == 3 and kept["instances"].min() == 0


def test_boxes_alone_stay_as_written(tmp_path):
    source = Coco(root=str(written(tmp_path, [TRIANGLE, LEFT])))
    (record,) = source.records()
    assert set(record.content) == {"image", "boxes", "classes", "stated"}
    assert "instances" not in source.load(record)
    assert record.content["boxes"][0] == pytest.approx([4.1, 3.2, 21.6, 19.7])


def test_a_changed_outline_is_another_content(tmp_path):
    texts = []
    for outline in (LEFT, [[4, 26, 12, 26, 12, 34, 4, 33]]):
        source = set_instances(Coco(root=str(written(tmp_path, [outline]))), True)
        texts += [source.content(source.records()[0]), source.fingerprint(source.records()[0])]
    assert len(set(texts)) == 4


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        (None, "annotation 1: has no segmentation; draw one, or learn boxes alone"),
        ([[1, 2, 3, 4]], "three corners or more"),
        ([[1, 2, 9, 2, 9, 1e9]], r"a polygon has the corner 1e\+09, and the image is 40x48"),
        ({"size": [40, 48], "counts": [10, 1910]}, "is 48x40, but its image is 40x48"),
    ],
)
def test_what_is_no_outline_is_refused_in_one_line(tmp_path, outline, words):
    with pytest.raises((UserError, ReadError), match=words) as error:
        loaded(written(tmp_path, [outline]))
    assert "\n" not in str(error.value)


def test_runs_of_another_size_than_an_image_that_states_none(tmp_path):
    root = written(tmp_path, [{"size": [40, 48], "counts": [10, 1910]}])
    about = json.loads((root / "annotations.json").read_text())
    del about["images"][0]["width"]
    (root / "annotations.json").write_text(json.dumps(about))
    with pytest.raises(ReadError, match="a segmentation is 48x40, and the image 40x48"):
        loaded(root)
