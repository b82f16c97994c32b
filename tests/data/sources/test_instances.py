"""Files that number objects: every format, touching objects, classes by majority, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from ganatomy.data.io.readers import ReadError
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.errors import UserError

IDS = {7: (2, 2), 300: (2, 6), 65000: (6, 2), 9: (12, 8)}  # squares of side 4; three of them touch
WANTED = {(y, x, y + 4, x + 4) for y, x in IDS.values()}


def planted(ids: dict[int, tuple[int, int]] = IDS) -> np.ndarray:
    numbers = np.zeros((20, 16), np.uint32)
    for number, (y, x) in ids.items():
        numbers[y : y + 4, x : x + 4] = number
    return numbers


def png16(path: Path, numbers: np.ndarray) -> None:
    Image.fromarray(numbers.astype(np.uint16)).save(path)


def png8(path: Path, numbers: np.ndarray) -> None:
    _, places = np.unique(numbers, return_inverse=True)
    Image.fromarray((places.reshape(numbers.shape) * 40).astype(np.uint8)).save(path)


def tiff32(path: Path, numbers: np.ndarray) -> None:
    tifffile.imwrite(path, numbers.astype(np.uint32) * 65000)


def npy(path: Path, numbers: np.ndarray) -> None:
    np.save(path, numbers.astype(np.int64))


WRITERS = {".png": png16, ".8.png": png8, ".tif": tiff32, ".npy": npy}


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def of(numbers: np.ndarray, ending: str = ".png", name: str = "a") -> Path:
        rng = np.random.default_rng(0)
        for folder in ("images", "instances", "labels"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 16)).astype(np.uint8)).save(tmp_path / f"images/{name}.png")
        WRITERS[ending](tmp_path / f"instances/{name}{ending}", numbers)
        return tmp_path

    return of


def loaded(source: Any) -> dict[str, np.ndarray]:
    return source.load(source.records()[0])


def boxes(case: dict[str, np.ndarray]) -> set[tuple[int, ...]]:
    return {tuple(int(v) for v in box) for box in case["boxes"]}


@pytest.mark.parametrize("ending", WRITERS)
def test_touching_objects_stay_apart_in_every_format(written, ending):
    root = written(planted(), ending)
    source = Folder(root=str(root), instances="instances/{stem}" + ending)
    case = loaded(source)
    assert boxes(case) == WANTED and source.box_classes == ("object",)
    for number, box in enumerate(case["boxes"].astype(int), 1):
        inside = case["instances"][0][box[0] : box[2], box[1] : box[3]]
        assert (inside == number).all() and (case["instances"] == number).sum() == 16


def test_a_volume_of_floats_has_boxes_along_its_own_axes(tmp_path):
    numbers = np.zeros((8, 9, 10))
    numbers[1:3, 2:5, 3:9], numbers[3:6, 2:5, 3:9] = 312782546, 312782550
    for name, values in (
        ("images/a.nii.gz", np.random.default_rng(0).normal(size=numbers.shape)),
        ("maps/a.nii.gz", numbers),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(values, np.diag([2.0, 1, 1, 1])), tmp_path / name)
    case = loaded(Folder(root=str(tmp_path), instances="maps/{name}", spatial_dims=3))
    assert boxes(case) == {(1, 2, 3, 3, 5, 9), (3, 2, 3, 6, 5, 9)}


def test_an_object_has_the_class_of_most_of_its_voxels(written):
    root = written(planted())
    label = np.where(planted() == 300, 2, planted() > 0).astype(np.uint8)
    label[2, 2] = 2  # one of the sixteen voxels of object 7
    Image.fromarray(label).save(root / "labels/a.png")
    how = {"label": "labels/{name}", "classes": ["bg", "small", "large"]}
    source = Folder(root=str(root), instances="instances/{name}", **how)
    case = loaded(source)
    assert source.box_classes == ("small", "large")
    kinds = {tuple(b[:2].astype(int)): int(c) for b, c in zip(case["boxes"], case["classes"], strict=True)}
    assert kinds == {(2, 2): 0, (2, 6): 1, (6, 2): 0, (12, 8): 0}
    label[planted() == 9] = 0
    Image.fromarray(label).save(root / "labels/a.png")
    with pytest.raises(ReadError, match="object 2 of its instance map lies where its label map marks no"):
        loaded(source)


def test_a_table_names_instance_maps_in_a_column(written):
    root = written(planted())
    (root / "index.csv").write_text("image,cells\nimages/a.png,instances/a.png\n")
    assert boxes(loaded(Table(root=str(root), instances="cells"))) == WANTED
    (root / "index.csv").write_text("image,cells\nimages/a.png,\n")
    with pytest.raises(ReadError, match="has no instance map"):
        loaded(Table(root=str(root), instances="cells"))
    assert not len(loaded(Table(root=str(root), instances="cells", missing_label="background"))["boxes"])


def test_a_mask_of_foreground_is_no_instance_map(written):
    binary = planted({1: (2, 2)}) + planted({1: (2, 10)}) + planted({1: (12, 8)})
    with pytest.raises(ReadError, match="its only value lies in 3 or more separate parts"):
        loaded(Folder(root=str(written(binary)), instances="instances/{name}"))
    one = loaded(Folder(root=str(written(planted({1: (2, 2)}))), instances="instances/{name}"))
    assert boxes(one) == {(2, 2, 6, 6)}
    none = loaded(Folder(root=str(written(planted({}))), instances="instances/{name}"))
    assert none["boxes"].shape == (0, 4) and not none["instances"].any()


def test_values_below_zero_and_fractions_are_refused(written):
    root, source = written(planted(), ".npy"), {"instances": "instances/{stem}.npy", "axes": "HW"}
    for value, words in ((-3, "holds -3"), (0.5, "not whole numbers")):
        numbers = planted().astype(float)
        numbers[0, 0] = value
        np.save(root / "instances/a.npy", numbers)
        with pytest.raises(ReadError, match=words):
            loaded(Folder(root=str(root), **source))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"instances": "value"}, "choose null, files, values, parts, or a template"),
        ({"instances": "instances/{name}", "boxes_from_label": True}, "take out data.boxes_from_label"),
        ({"instances": "nowhere/{name}"}, "is not there"),
    ],
)
def test_contradictions_are_named(written, how, words):
    root = str(written(planted()))
    with pytest.raises((UserError, ReadError), match=words):
        loaded(
            Folder(
                root=root,
                **({"label": "labels/{name}", "classes": ["a", "b"]} if len(how) > 1 else {}),
                **how,
            )
        )


@pytest.mark.parametrize("instances", ["values", "parts", "files"])
def test_masks_become_instance_maps_where_a_task_wants_them(written, instances):
    root = written(planted())
    (root / "masks/a").mkdir(parents=True)
    for number, corner in enumerate(IDS.values(), 1):
        png16(root / f"masks/a/{number}.png", planted({1: corner}))
    png16(root / "labels/a.png", planted() if instances == "values" else planted() > 0)
    label = "masks/{stem}/*.png" if instances == "files" else "labels/{name}"
    how = {"label": label, "classes": ["bg", "cell"], "boxes_from_label": True, "instances": instances}
    plain, mapped = (Folder(root=str(root), **how) for _ in range(2))
    mapped.with_instances = True
    wanted, found = loaded(plain), loaded(mapped)
    assert "instances" not in wanted and boxes(found) == boxes(wanted)
    assert len(found["boxes"]) == (2 if instances == "parts" else 4)
    assert plain.fingerprint(plain.records()[0]) != mapped.fingerprint(mapped.records()[0])


def test_of_overlapping_masks_the_smaller_is_on_top(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.arange(320, dtype=np.uint16).reshape(20, 16)).save(tmp_path / "images/a.png")
    large, small = np.zeros((20, 16), np.uint8), np.zeros((20, 16), np.uint8)
    large[2:12, 2:12], small[8:14, 8:14] = 1, 1
    Image.fromarray(large).save(tmp_path / "masks/a_1.png")
    Image.fromarray(small).save(tmp_path / "masks/a_2.png")
    source = Folder(
        root=str(tmp_path), label="masks/{stem}_*.png", classes=["bg", "cell"], boxes_from_label=True
    )
    source.with_instances = True
    case = loaded(source)
    assert boxes(case) == {(2, 2, 12, 12), (8, 8, 14, 14)}
    assert (case["instances"][0][8:14, 8:14] == 2).all() and (case["instances"] == 1).sum() == 100 - 16


def test_a_source_without_such_files_knows_definitions_alone(picture: Any, tmp_path: Path) -> None:
    picture("images/a.png", shape=(20, 16, 3))
    with pytest.raises(UserError, match=r"^data\.instances=instances: choose "):
        Coco(root=str(tmp_path), annotations="a.json", instances="instances").records()
