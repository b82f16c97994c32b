"""Each fault is planted and found, named by file; grave ones stop training or are left out, as asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.inventory import depths, take
from ganatomy.data.quality.leaks import LONGEST, leaks
from ganatomy.data.records import Record
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.data.splits.split import Splitting
from ganatomy.data.summary import summary
from ganatomy.errors import UserError
from ganatomy.metrics.case_metric import NAME_BYTES


def affine(shift: float = 0.0) -> np.ndarray:
    out = np.diag([1.0, 1, 2, 1])
    out[0, 3] = shift
    return out


@pytest.fixture
def folder(tmp_path, volume):
    """Nine sound volumes with label maps, one to be spoilt."""
    for number in range(9):
        volume(f"images/{number}.nii.gz", affine=affine())
        label = np.zeros((6, 7, 8), np.uint8)
        label[:2] = 1
        volume(f"labels/{number}.nii.gz", label, affine())
    return lambda **how: Folder(
        **{
            "root": str(tmp_path),
            "label": "labels/{name}",
            "spatial_dims": 3,
            "classes": ["background", "organ"],
        }
        | how
    )


def nan(path, volume):
    values = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    values[1, 2, 3] = np.nan
    volume("images/4.nii.gz", values, affine())


def value(path, volume):
    volume("labels/4.nii.gz", np.full((6, 7, 8), 7, np.uint8), affine())


FAULTS = {
    "truncated": lambda path, volume: (path / "images/4.nii.gz").write_bytes(b"\x1f\x8b\x08"),
    "missing label": lambda path, volume: (path / "labels/4.nii.gz").unlink(),
    "label value": value,
    "shape": lambda path, volume: volume("labels/4.nii.gz", np.zeros((6, 7, 9), np.uint8), affine()),
    "affine": lambda path, volume: volume("labels/4.nii.gz", np.zeros((6, 7, 8), np.uint8), affine(3.0)),
    "fraction": lambda path, volume: volume("labels/4.nii.gz", np.full((6, 7, 8), 0.5, np.float32), affine()),
    "nan": nan,
}
WORDS = {
    "truncated": "cannot be read",
    "missing label": "is not there",
    "label value": "label value 7",
    "shape": "shape 6x7x9",
    "affine": "3 mm away",
    "fraction": "whole numbers",
    "nan": "1 values of the image are NaN",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_grave_faults_stop_training_and_name_the_file(folder, tmp_path, volume, fault):
    FAULTS[fault](tmp_path, volume)
    with pytest.raises(UserError, match=rf"4\.nii\.gz: .*{WORDS[fault]}") as caught:
        DataModule(folder(), batch_size=2, cache_dir=str(tmp_path / "c")).setup()
    assert "data.on_error=skip" in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_skipping_trains_on_the_rest(folder, tmp_path, volume, fault, cache):
    FAULTS[fault](tmp_path, volume)
    for _ in range(2):  # read anew, then remembered
        data = DataModule(folder(), batch_size=2, on_error="skip", cache=cache, cache_dir=str(tmp_path / "c"))
        data.setup()
        assert sum(summary(data)["cases"].values()) == 8
        assert "images_4" not in {r.case for records in data.records.values() for r in records}
        assert any(WORDS[fault] in words for words in summary(data)["faults"])
        next(iter(data.train_dataloader()))


def test_a_mended_file_is_read_again(folder, tmp_path, volume):
    nan(tmp_path, volume)
    settings = {"batch_size": 2, "cache": "disk", "cache_dir": str(tmp_path / "c")}
    with pytest.raises(UserError):
        DataModule(folder(), **settings).setup()
    volume("images/4.nii.gz", affine=affine())
    DataModule(folder(), **settings).setup()


def test_constant_images_are_told_and_kept(tmp_path, picture):
    for name in "abcdef":
        picture(f"{name}.png", np.full((8, 8), 7, np.uint8) if name == "c" else None, (8, 8))
    data = DataModule(Folder(root=str(tmp_path), image="*.png"), batch_size=2, cache_dir=str(tmp_path / "k"))
    data.setup()
    assert sum(summary(data)["cases"].values()) == 6
    assert data.notes == [f"note: {tmp_path / 'c.png'}: the image is constant (7)"]
    case = data.cache.get(next(r for records in data.records.values() for r in records if r.case == "c"))
    assert np.isfinite(case["image"]).all()


BOXES = {
    "empty": ([5, 5, 5, 9], "has no area", 0, None),
    "turned": ([9, 2, 3, 8], "has its corners swapped", 0, None),
    "not a number": ([1, 2, float("nan"), 8], "NaN or infinite", 0, None),
    "outside": ([30, 30, 40, 40], "lies outside", 0, None),
    "across": ([-3, 4, 6, 25], "extends beyond", 1, [4, 0, 20, 6]),
    "sound": ([2, 3, 6, 9], None, 1, [3, 2, 9, 6]),
}


@pytest.mark.parametrize("box", BOXES)
def test_boxes_without_area_or_outside_are_told_and_mended(tmp_path, picture, box):
    corners, words, left, expected = BOXES[box]
    for name in "abcdef":
        picture(f"{name}.png")
    rows = [f'{name}.png,"[{json.dumps(corners if name == "c" else [1, 1, 9, 9])}]"' for name in "abcdef"]
    (tmp_path / "index.csv").write_text("\n".join(["image,boxes", *rows]))
    data = DataModule(Table(root=str(tmp_path), boxes="boxes"), batch_size=2, cache_dir=str(tmp_path / "k"))
    told = summary(data)["faults"]
    assert [f for f in told if "c.png: box 0" in f and (words or "") in f] == told and len(told) == bool(
        words
    )
    case = data.cache.get(next(r for records in data.records.values() for r in records if r.case == "c"))
    assert len(case["boxes"]) == len(case["classes"]) == left
    assert expected is None or case["boxes"][0].tolist() == expected


def test_boxes_are_counted_once_the_unusable_are_left_out(tmp_path, picture):
    """Pictures of 20x16: of four boxes in two classes one has no area, one lies outside."""
    picture("a.png"), picture("b.png")
    cells = ["1,1,5,5,k", "2,2,2,9,k", "30,1,40,9,m", "1,3,9,9,m"]
    rows = [f"{name}.png,{cell}" for name in "ab" for cell in cells]
    (tmp_path / "index.csv").write_text("\n".join(["image,x1,y1,x2,y2,class", *rows]))
    source = Table(root=str(tmp_path), boxes="auto")
    found = take([replace(record, split="train") for record in source.records()], source)
    assert found.boxes == {"train": {0: 2, 1: 2}} and found.objects.counts == [2, 2]
    assert sum("left out" in fault.words for fault in found.faults) == 4


def test_a_data_set_that_marks_nothing_is_told(tmp_path, picture):
    for name in "abc":
        picture(f"images/{name}.png"), picture(f"masks/{name}.png", np.zeros((20, 16), np.uint8))
    how = {"label": "masks/{name}", "classes": ["tissue", "lesion"], "boxes_from_label": True}
    source = Folder(root=str(tmp_path), **how)

    def told() -> list[str]:
        records = [replace(record, split="train") for record in source.records()]
        return [fault.words for fault in take(records, source).faults if "refused" in fault.words]

    assert [words.partition(":")[0] for words in told()] == [
        "no label map marks anything",
        "none of the 3 images has a box (detection would be refused)",
    ]
    picture("masks/b.png", np.eye(20, 16).astype(np.uint8) * 255)  # no class: it cannot be counted
    assert told() == []
    picture("masks/b.png", np.eye(20, 16).astype(np.uint8))
    assert told() == []


@pytest.mark.parametrize("intensity", ["none", [0, 255], ["zscore", [0, 255]]])
def test_one_scale_for_files_of_8_and_of_16_bits_is_told(tmp_path, picture, intensity):
    picture("images/a.png"), picture("images/b.png", np.full((20, 16), 300, np.uint16))
    source = Folder(root=str(tmp_path))

    def told(how: Any) -> list[str]:
        records = [replace(record, split="train") for record in source.records()]
        return [fault.words for fault in depths(take(records, source), source, how)]

    (words,) = told(intensity)
    assert "one scale for all, but files are stored as uint16 (1), uint8 (1), whose" in words
    assert told("zscore") == told(["zscore", "percentile"]) == []
    picture("images/a.png", np.full((20, 16), 301, np.uint16))
    assert told(intensity) == []


def test_a_subject_on_two_sides_is_named():
    records = [Record("a", "jane", "train"), Record("b", "jane", "test"), Record("c", "joe", "val")]
    (fault,) = leaks(records)
    assert fault.words.startswith("a: its subject jane is in train and in test") and fault.grave


def test_cases_of_one_name_are_named(tmp_path, picture):
    picture("a_b/c.png"), picture("a/b_c.png")
    records = Folder(root=str(tmp_path), image="*/*.png").records()
    assert [fault.kind for fault in leaks(records)] == ["name"]


def test_near_duplicates_across_splits_are_found_and_within_are_not(tmp_path, picture):
    """A copy that is darker, slightly noisy and has a caliper drawn in; others are unlike."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 200, (8, 8)), np.ones((12, 12))).astype(np.uint8)
    for number in range(10):
        other = np.kron(rng.integers(0, 200, (8, 8)), np.ones((12, 12))).astype(np.uint8)
        picture(f"{'train' if number < 6 else 'val' if number < 8 else 'test'}/{number}.png", other)
    picture("train/original.png", smooth)
    marked = np.clip(smooth * 0.8 + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
    marked[40:44, 40:44] = 255
    picture("test/copy.png", marked)
    picture("train/copy_at_home.png", smooth)
    source = Folder(root=str(tmp_path), image="*/*.png", given_split="{top}")
    found = take(Splitting()(source.records()), source)
    assert {frozenset((a.case, b.case)) for a, b, _ in found.alike} == {
        frozenset(("test_copy", "train_original")),
        frozenset(("test_copy", "train_copy_at_home")),
    }
    assert not found.grave


def test_a_name_that_tables_of_scores_cannot_hold_is_a_fault_before_training() -> None:
    assert LONGEST == NAME_BYTES
    longest = "é" * (LONGEST // 2)
    sound, case, subject = Record(longest, "s"), Record(f"{longest}1", "s"), Record("c", f"{longest}12")
    found = leaks([sound, case, subject])
    assert [(fault.case, fault.kind) for fault in found] == [(case.case, "long name"), ("c", "long name")]
    assert "the name has 257 bytes, 256 are allowed; shorten it" in found[0].words
    assert "the subject has 258 bytes" in found[1].words
