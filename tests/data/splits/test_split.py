"""Splits keep subjects apart, cover everybody, deal strata alike, and are the same on every machine."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganatomy.data.quality.leaks import leaks
from ganatomy.data.records import Record
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.split import Splitting, shares
from ganatomy.errors import UserError


def cohort(n: int, each: int = 2, strata: int = 3) -> list[Record]:
    return [Record(f"c{s}-{k}", f"s{s:03d}", stratum=f"k{s % strata}") for s in range(n) for k in range(each)]


@given(n=st.integers(5, 60), folds=st.integers(2, 5), seed=st.integers(0, 99), strata=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_folds_are_disjoint_by_subject_and_cover_everything(n, folds, seed, strata):
    records = cohort(n, strata=strata)
    tested: Counter[str] = Counter()
    for fold in range(folds):
        split = Splitting(seed=seed, folds=folds, fold=fold)(records)
        assert not leaks(split)
        assert len(split) == len(records)
        assert {r.split for r in split} == {"train", "val", "test"}
        tested.update(r.case for r in split if r.split == "test")
    assert set(tested) == {r.case for r in records} and set(tested.values()) == {1}


@given(n=st.integers(12, 90), seed=st.integers(0, 99), strata=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_fractions_keep_subjects_apart_and_strata_alike(n, seed, strata):
    records = cohort(n, strata=strata)
    split = Splitting((4, 1, 1), seed)(records)
    assert not leaks(split)
    counts = Counter(r.split for r in split)
    assert (counts["train"] // 2, counts["val"] // 2, counts["test"] // 2) == shares(n, (4, 1, 1))
    for part, share in (("train", 4 / 6), ("val", 1 / 6), ("test", 1 / 6)):
        for stratum in {r.stratum for r in records}:
            mine = [r for r in split if r.stratum == stratum]
            assert abs(sum(r.split == part for r in mine) - share * len(mine)) <= 2 * 2 + 1


def test_the_order_of_the_files_does_not_matter():
    records = cohort(20)
    one = {r.case: r.split for r in Splitting()(records)}
    assert one == {r.case: r.split for r in Splitting()(records[::-1])}


def test_the_split_is_written_in_stone():
    """Planted once: any change of it would move people between train and test of published experiments."""
    split = Splitting((4, 1, 1), 0)(cohort(12, each=1))
    assert [r.case[1:-2] for r in split if r.split == "test"] == TEST
    fold = Splitting(seed=0, folds=3, fold=1)(cohort(12, each=1))
    assert [r.case[1:-2] for r in fold if r.split == "test"] == FOLD


TEST, FOLD = ["3", "8"], ["0", "2", "4", "10"]


def test_a_given_split_is_kept_and_completed():
    records = [Record(f"c{i}", f"s{i}", "test" if i < 5 else "train") for i in range(30)]
    split = Splitting((4, 1, 1))(records)
    assert [r.case for r in split if r.split == "test"] == [f"c{i}" for i in range(5)]
    assert sum(r.split == "val" for r in split) == 5  # a fifth of the 25 that train


def test_a_split_file_fixes_everything(tmp_path):
    records = [Record(f"c{i}", f"s{i}", "train") for i in range(4)]
    table = tmp_path / "s.csv"
    table.write_text("file,split\nc0,test\ns1,validation\nc2,train\n")
    split = Splitting(file=str(table))(records)
    assert [r.split for r in split] == ["test", "val", "train", None]  # c3 is not named, and never dealt
    assert "1 of 4 cases are not in it: c3" in leaks(split)[0].words
    lists = tmp_path / "s.json"
    lists.write_text(json.dumps({"train": ["c0", "c1"], "val": ["c2"], "test": ["s3"]}))
    assert [r.split for r in Splitting(file=str(lists))(records)] == ["train", "train", "val", "test"]


def test_groups_of_a_split_file_keep_images_together(tmp_path):
    records = [Record(f"c{i}", f"s{i}") for i in range(3)]
    table = tmp_path / "s.csv"
    table.write_text("file,split,group\nc0,train,p\nc1,val,q\nc2,test,p\n")
    split = Splitting(file=str(table))(records)
    assert [r.subject for r in split] == ["p", "q", "p"]
    (fault,) = leaks(split)
    assert fault.grave and "c0: its subject p is in train and in test" in fault.words


def test_folds_given_by_the_data_are_used():
    records = [Record(f"c{i}", f"s{i}", fold=i % 3) for i in range(9)]
    split = Splitting(folds=3, fold=2)(records)
    assert [r.case for r in split if r.split == "test"] == ["c2", "c5", "c8"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"folds": 5}, "both or neither"),
        ({"seed": -1}, "data.split_seed=-1: give 0 or more"),
        ({"folds": 3, "fold": 3}, "data.fold=3"),
        ({"folds": 1, "fold": 0}, "at least 2"),
        ({"shares": (1, 2)}, "three shares"),
        ({"shares": (0, 1, 1)}, "three shares"),
        ({"file": "/nowhere.csv"}, "nowhere"),
    ],
)
def test_impossible_splits_are_named(setting, words):
    with pytest.raises(UserError, match=words):
        Splitting(**setting)(cohort(6))


def test_too_few_subjects_are_named():
    with pytest.raises(UserError, match="subjects"):
        Splitting()(cohort(2))
    with pytest.raises(UserError, match=r"data\.folds=5"):
        Splitting(folds=5, fold=0)(cohort(4))


@pytest.mark.parametrize("text", ["file,split\na,nowhere\n", "name,part\na,b\n", "file,split\na,\n"])
def test_bad_tables_of_splits_are_named(tmp_path, text):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(UserError, match="row 2"):
        read_splits(path)
