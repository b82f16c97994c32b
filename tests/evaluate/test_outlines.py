"""A run that learned from COCO's outlines, scored on its own split and on data with further classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganatomy.data.known import set_instances
from ganatomy.data.sources.coco import Coco
from ganatomy.data.transforms.instances import NO_BOX, boxes_of_numbers
from ganatomy.evaluate.classes import ByName, matched
from tests.evaluate.conftest import evaluated, trained
from tests.tasks.detection.test_task import words_of

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


def outlines(root: Path, names: tuple[str, ...], count: int = 6) -> list[str]:
    """Words for pictures of touching squares; one in three is of the last class, one image has a crowd."""
    (root / "images").mkdir(parents=True)
    images, notes = [], []
    for n in range(count):
        pixels = np.random.default_rng(n).integers(0, 60, (48, 48, 3)).astype(np.uint8)
        for place, (x, y) in enumerate([(4, 6), (16, 6), (30, 28)]):
            pixels[y : y + 12, x : x + 12] += 60 + 40 * np.uint8(place)
            outline = [x, y, x + 12, y, x + 12, y + 12, x, y + 12]
            note = {"image_id": n, "category_id": len(names) - (place < 2), "iscrowd": int(n == place == 2)}
            notes.append({"id": len(notes), "segmentation": [outline]} | note)
        Image.fromarray(pixels).save(root / f"images/p{n}.png")
        images.append({"id": n, "file_name": f"p{n}.png", "width": 48, "height": 48})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    about = {"images": images, "annotations": notes, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(about))
    return ["data=coco", f"data.root={root}", "data.split=[2,2,2]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    words = ["task=detection", "task.instances=true", *outlines(folder / "set", ("cell", "germ"))]
    return trained(folder / "run", *words, "data.size=48", *words_of("centernet_gan"))


def test_its_own_split_scores_as_in_its_test(run, tmp_path):
    known = json.loads((run / "metrics.json").read_text())
    found = evaluated(tmp_path / "out", f"run={run}").metrics
    shared = {key for key in found if key.startswith("test/") and key in known}
    assert {"test/pq", "test/aji", "test/map50"} <= shared
    assert {k: found[k] for k in shared} == pytest.approx({k: known[k] for k in shared}, nan_ok=True)


def test_objects_of_an_ignored_class_are_unknown_in_the_maps(run, tmp_path):
    words = outlines(tmp_path / "new", ("cell", "dust", "germ"))
    found = evaluated(tmp_path / "out", f"run={run}", *words, "ignore_classes=[dust]")
    assert len(found.rows) == 6 and "test/pq" in found.metrics
    source = set_instances(Coco(root=str(tmp_path / "new"), size=48), True)
    records = source.records()
    named = ByName(source, matched(source, {"boxes": ("cell", "germ")}, ["dust"], open_end=False))
    for number, record in enumerate(records):
        case = named.load(record)
        numbers = case["instances"][0]
        assert case["classes"].tolist() == ([] if number == 2 else [1])  # the germs; that of p2 is a crowd
        assert np.array_equal(boxes_of_numbers(numbers), case["boxes"])
        assert (numbers[6:18, 4:28] == NO_BOX).all()
