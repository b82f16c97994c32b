"""Files of two sides that need not match: folders and tables, and the line where somebody forgot the key."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.data.splits.held import Held
from ganatomy.data.summary import check_held, summary
from ganatomy.errors import UserError
from tests.data.conftest import blobs

SPLITS = ("train", "val", "test")


def opened(source, unpaired=True, **settings):
    return DataModule(source, batch_size=2, unpaired=unpaired, **settings)


def folder(root: Path, target: str = "b/{name}", **settings) -> Folder:
    return Folder(root=str(root), image="a/*.png", target=target, size=16, **settings)


def deep(seed: str, top: int = 40_000) -> np.ndarray:
    return blobs(np.random.default_rng(sum(map(ord, seed))), (20, 16), top)


@pytest.fixture
def two_folders(tmp_path, picture):
    """Eight images; six targets, of which two belong to images."""
    for n in range(8):
        picture(f"a/p{n}.png")
    for n in range(6, 12):
        picture(f"b/p{n}.png", deep(f"b{n}"))
    return tmp_path


def cases(data: DataModule, split: str) -> tuple[set[str], set[str]]:
    return {r.case for r in data.records[split]}, {r.case for r in data.target_cases(split)}


def test_two_folders_of_which_two_cases_are_pairs(two_folders):
    data = opened(folder(two_folders))
    data.setup()
    images, targets = (set().union(*(cases(data, s)[side] for s in SPLITS)) for side in (0, 1))
    assert images == {f"a_p{n}" for n in range(8)}
    assert targets == {"a_p6", "a_p7", *(f"b_p{n}" for n in range(8, 12))}
    assert all(side for split in SPLITS for side in cases(data, split))
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == batch["target"].shape == (2, 1, 16, 16)
    assert not data.has_pairs("test")


def test_a_prepared_target_has_the_mean_and_the_deviation_of_its_own_file(two_folders):
    """16-bit targets beside 8-bit images: nothing passes through the type of the other side."""
    data = opened(folder(two_folders))
    data.setup()
    record = next(r for s in SPLITS for r in data.target_cases(s) if r.case == "b_p8")
    case, raw = data.evaluated_target(record), deep("b8").astype(np.float64)
    assert case["target_offset"] == pytest.approx(raw.mean()) and case["target_scale"] == pytest.approx(
        raw.std()
    )


def test_a_pattern_without_words_makes_no_pairs(two_folders):
    data = opened(folder(two_folders, "b/*.png"))
    data.setup()
    assert not any(one & other for one, other in (cases(data, split) for split in SPLITS))
    assert any("data.subject" in note and "2 names" in note for note in data.notes)
    data = opened(folder(two_folders, "b/*.png", subject="{stem}"))
    data.setup()
    assert not any("names are those" in note for note in data.notes)
    splits = {}
    for split in SPLITS:
        for record in (*data.records[split], *data.alone(split)):
            assert splits.setdefault(record.subject, split) == split


def test_without_the_key_the_fault_names_it(two_folders):
    with pytest.raises(UserError) as refused:
        opened(folder(two_folders), unpaired=False).setup()
    assert "6 of 8 cases have an image or a target, but not both: a/p0.png" in str(refused.value)
    assert "set data.unpaired=true" in str(refused.value)


def test_one_missing_target_of_many_is_a_missing_file_and_no_sign_of_unpaired_data(tmp_path, picture):
    for n in range(12):
        picture(f"a/p{n}.png")
        if n:
            picture(f"b/p{n}.png")
    with pytest.raises(UserError) as refused:
        opened(folder(tmp_path), unpaired=False).setup()
    assert "b/p0.png: is not there" in str(refused.value) and "unpaired" not in str(refused.value)


def test_pairs_are_read_as_before_whether_or_not_they_are_used_as_pairs(tmp_path, picture):
    for n in range(6):
        picture(f"a/p{n}.png"), picture(f"b/p{n}.png")
    paired, unpaired = opened(folder(tmp_path), unpaired=False), opened(folder(tmp_path))
    paired.setup(), unpaired.setup()
    assert [r.case for r in paired.dealt] == [r.case for r in unpaired.dealt]
    assert {c: f.content for c, f in paired.facts.items()} == {
        c: f.content for c, f in unpaired.facts.items()
    }
    assert unpaired.has_pairs("val") and unpaired.has_pairs("test")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("a/*.png", "data.target=a/*.png: 8 of its files are images too: a/p0.png"),
        ("a/{name}", "a/p0.png: case a_p0 names it twice, as image and as target"),
        ("c/*.png", "data.target=c/*.png: no file in"),
        ("b/p8.png", "data.unpaired=true: val has no target (targets: 1 in train, 0 in val, 0 in test)"),
        (None, "data.unpaired=true: no case has a target; name its files (data.target=...)"),
    ],
)
def test_odd_sides_are_refused_in_one_line(two_folders, target, words):
    with pytest.raises(UserError) as refused:
        opened(folder(two_folders, target)).setup()
    assert words in str(refused.value)


def test_channels_of_a_target_alone_may_lie_in_several_files(tmp_path, picture):
    for n in range(4):
        picture(f"a/p{n}.png")
        picture(f"b/q{n}_0.png"), picture(f"b/q{n}_1.png")
    data = opened(folder(tmp_path, "b/{stem}_*.png", target_channels=2))
    data.setup()
    assert {r.case for s in SPLITS for r in data.target_cases(s)} == {f"b_q{n}_0" for n in range(4)}
    assert next(iter(data.train_dataloader()))["target"].shape == (2, 2, 16, 16)


def test_a_side_in_colour_and_a_grey_one(tmp_path, picture):
    for n in range(4):
        picture(f"a/p{n}.png")
        picture(f"b/q{n}.png", shape=(20, 16, 3))
    batch = next(iter(opened(folder(tmp_path, target_channels=3)).train_dataloader()))
    assert batch["image"].shape[1] == 1 and batch["target"].shape[1] == 3
    with pytest.raises(UserError, match=r"q\d.png: has 3 channels"):
        opened(folder(tmp_path, "b/*.png", target_channels=2)).setup()


def test_folders_of_subjects_of_which_each_has_one_scan(tmp_path, volume):
    for n in range(8):
        volume(f"s{n}/{'mr' if n % 2 else 'ct'}.nii.gz", blobs(np.random.default_rng(n), (8, 8, 4), 900))
    source = Folder(
        root=str(tmp_path), image="*/mr.nii.gz", target="{folder}/ct.nii.gz", subject="{folder}", size=8
    )
    data = opened(source, split=(2, 1, 1))
    data.setup()
    assert {r.case for s in SPLITS for r in data.records[s]} == {f"s{n}_mr" for n in (1, 3, 5, 7)}
    assert {r.subject for s in SPLITS for r in data.alone(s)} == {f"s{n}" for n in (0, 2, 4, 6)}
    batch = next(iter(data.train_dataloader()))
    assert batch["target"].shape == (2, 1, 8, 8) and "slice" in batch


@pytest.fixture
def table(tmp_path, picture):
    rows = [{"mr": f"m{n}.png", "ct": "", "who": f"w{n}"} for n in range(6)]
    rows += [{"mr": "", "ct": f"c{n}.png", "who": f"w{n}"} for n in range(4, 9)]
    for name in (value for row in rows for key, value in row.items() if key != "who" and value):
        picture(name)
    rows.append({"mr": "both.png", "ct": "both_ct.png", "who": "w9"})
    picture("both.png"), picture("both_ct.png")

    def write(rows=rows):
        with (tmp_path / "index.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["mr", "ct", "who"])
            writer.writeheader()
            writer.writerows(rows)
        return Table(root=str(tmp_path), image="mr", target="ct", subject="who", size=16)

    return SimpleNamespace(write=write, rows=rows)


def test_a_table_whose_rows_hold_one_side(table):
    data = opened(table.write())
    data.setup()
    assert sum(len(data.records[s]) for s in SPLITS) == 7
    assert {r.case for s in SPLITS for r in data.alone(s)} == {f"c{n}" for n in range(4, 9)}
    found = {r.subject: r.split for r in data.dealt}
    assert all(found[r.subject] == r.split for r in data.dealt)
    with pytest.raises(UserError) as refused:
        opened(table.write(), unpaired=False).setup()
    assert "set data.unpaired=true" in str(refused.value) and "has no image (column mr)" in str(refused.value)


def test_a_row_without_either_side_stays_a_fault_and_so_does_a_named_file_that_is_not_there(table):
    with pytest.raises(UserError, match=r"row 14: has no image \(column mr\)"):
        opened(table.write([*table.rows, {"mr": "", "ct": "", "who": "w10"}])).setup()
    with pytest.raises(UserError, match=r"lost.png: is not there"):
        opened(table.write([*table.rows, {"mr": "", "ct": "lost.png", "who": "w10"}])).setup()


def test_a_resumed_run_keeps_both_sides(two_folders, picture):
    data = opened(folder(two_folders), unpaired="disjoint")
    about = summary(data)
    listed = {case for split in SPLITS for case in about["contents"][split]}
    assert listed == {*(f"a_p{n}" for n in range(8)), *(f"b_p{n}" for n in range(8, 12))}
    again = opened(folder(two_folders), unpaired="disjoint", held=Held.of("run", about))
    check_held(again)
    assert [r.case for r in again.records["train"]] == [r.case for r in data.records["train"]]
    assert [r.case for r in again.target_cases("train")] == [r.case for r in data.target_cases("train")]
    picture("b/p12.png")
    with pytest.raises(UserError, match=r"1 case \(b_p12\) added"):
        opened(folder(two_folders), held=Held.of("run", about)).setup()
    (two_folders / "b/p12.png").unlink()
    picture("b/p9.png", deep("other"))
    with pytest.raises(UserError, match=r"1 case \(b_p9\) changed"):
        opened(folder(two_folders), held=Held.of("run", about)).setup()
