"""A split that a list gives is held: names find their cases; whoever is forgotten is named, never dealt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.records import Record
from ganatomy.data.sources.coco import Coco
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.matching import assigned
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError

SPLIT = ["train"] * 4 + ["val"] * 2 + ["test"] * 2


def records(*files: str, subject: Callable[[str], str] = lambda file: file) -> list[Record]:
    return [Record(f.rpartition(".")[0].replace("/", "_"), subject(f), None, {"image": f}) for f in files]


def splits(found: list[Record]) -> dict[str, str | None]:
    return {record.content["image"]: record.split for record in found}


WAYS: dict[str, Callable[[int], str]] = {
    "as it is": lambda n: f"images/img {n}.png",
    "its name": lambda n: f"img {n}.png",
    "another ending": lambda n: f"img {n}.jpg",
    "no ending": lambda n: f"img {n}",
    "more folders": lambda n: f"/old/place/images/img {n}.tif",
    "backslashes": lambda n: f"images\\img {n}.png",
    "a dot before": lambda n: f"./images/img {n}.png",
    "the case": lambda n: f"images_img {n}",
}


@pytest.mark.parametrize("kind", ["csv", "tabs", "semicolons", "json", "lists"])
@pytest.mark.parametrize("way", WAYS)
def test_names_find_their_cases_however_they_are_written(tmp_path, way, kind):
    cases = records(*[f"images/img {n}.png" for n in range(8)])
    names = [WAYS[way](n) for n in range(8)]
    rows = [("file", "split"), *zip(names, SPLIT, strict=True)]
    path = tmp_path / "s.csv"
    if kind == "json":
        path = tmp_path / "s.json"
        lists = {
            s: [n for n, t in zip(names, SPLIT, strict=True) if s == t] for s in ("train", "val", "test")
        }
        path.write_text(json.dumps(lists))
    elif kind == "lists":
        path = tmp_path / "lists"
        path.mkdir()
        for s in ("Train", "validation", "test"):
            told = [n for n, t in zip(names, SPLIT, strict=True) if s.lower().startswith(t)]
            (path / f"{s}.txt").write_bytes("\ufeff".encode() + "\r\n".join([*told, "", ""]).encode())
    else:
        between = {"csv": ",", "tabs": "\t", "semicolons": ";"}[kind]
        text = "\n".join(between.join(row) for row in rows) + "\n\n  \n"
        path.write_text(text, encoding="utf-8-sig")
    found = assigned(cases, read_splits(path), "the list")
    assert [record.split for record in found] == SPLIT and not leaks(found)


def test_what_a_list_forgets_and_what_it_names_in_vain_is_told():
    given: Any = {
        "a.png": (None, "train"),
        "gone.png": (None, "test"),
        "b": (None, "val"),
        "lost": (None, "val"),
    }
    found = assigned(records("x/a.png", "x/b.png", "x/c.png", "x/d.png"), given, "s.csv")
    assert list(splits(found).values()) == ["train", "val", None, None]
    words = [fault.words for fault in leaks(found)]
    assert any("2 of its 4 names match no case of the data set: gone.png, lost" in w for w in words)
    assert sum("2 of 4 cases are not in it: x/c.png, x/d.png" in w for w in words) == 2
    assert [r.split for r in Splitting((4, 1, 0))(found)] == [
        "train",
        "val",
        None,
        None,
    ]  # nobody is dealt at random


def test_no_name_that_fits_stops_at_once():
    with pytest.raises(
        UserError, match=r"s\.csv: none of its 1 names \(q\.png\) matches the 2 cases \(a\.png"
    ):
        assigned(records("a.png", "b.png"), {"q.png": (None, "train")}, "s.csv")


@pytest.mark.parametrize(
    ("files", "name", "both"),
    [
        (("a/1.png", "b/1.png"), "1.png", "a/1.png or b/1.png"),
        (("a/1.png", "b/1.png"), "1", "a/1.png or b/1.png"),
        (("1.png", "1.tif"), "1.jpg", "1.png or 1.tif"),
    ],
)
def test_a_name_that_two_cases_may_have_is_a_fault_of_both(files, name, both):
    given: Any = {name: (None, "train"), "other.png": (None, "test")}
    found = assigned(records(*files, "other.png"), given, "s.csv")
    assert list(splits(found).values()) == [None, None, "test"]
    assert [f.words for f in leaks(found) if f.kind != "name"] == [
        f"s.csv: {name} may be {both}; add its folder and its extension"
    ] * 2


def test_a_full_stop_in_a_name_is_no_ending():
    cases = records("scan.1.png", "scan.2.png")
    given: Any = {"scan.1": (None, "train"), "scan.2": (None, "test")}
    assert list(splits(assigned(cases, given, "s")).values()) == ["train", "test"]


def test_names_of_subjects_mean_all_their_cases():
    cases = records("p1/p1.png", "p1/p2.png", "p2/x.png", subject=lambda file: file.split("/")[0])
    given: Any = {"p1": (None, "train"), "p2": ("group 2", "test")}
    found = assigned(cases, given, "s")
    assert list(splits(found).values()) == ["train", "train", "test"] and found[2].subject == "group 2"
    mixed: Any = {"p1": (None, "train"), "p2/x.png": (None, "test")}
    assert list(splits(assigned(cases, mixed, "s")).values()) == ["train", "train", "test"]
    mixed = {"p2": (None, "train"), "p1/p1.png": (None, "test")}  # p2, or p1/p2.png?
    assert list(splits(assigned(cases, mixed, "s")).values()) == ["test", None, None]


def test_two_names_of_one_case_must_agree():
    cases = records("a/1.png", "a/2.png")
    given: Any = {
        "a/1.png": (None, "train"),
        "1": (None, "test"),
        "2.png": (None, "val"),
        "a/2": (None, "val"),
    }
    found = assigned(cases, given, "s")
    assert list(splits(found).values()) == [None, "val"]
    assert [f.words for f in leaks(found)] == ["s: a/1.png is a/1.png in train and 1 in test; name it once"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.csv", "file,split\na,train\na,test\n", r"a is in train \(row 2\) and in test \(row 3\)"),
        ("s.csv", "file,split\na,holdout\n", "row 2: split holdout; choose train, val or test"),
        ("s.csv", "file,split,file\na,test,b\n", "two columns are called file"),
        ("s.csv", "file,split\na,test,b\n", "row 2: has 3 cells for 2 columns"),
        ("s.json", '{"train": ["a"], "holdout": ["b"]}', "split holdout"),
        ("s.json", '{"train": "a"}', "train is not a list of names"),
        ("s.json", '{"train": ["a"], "test": ["a"]}', "a is in train .* and in test"),
        ("s.json", '[{"train": ["a"], "val": ["b"]}]', "holds 1 folds; choose one"),
        ("s.json", '"a"', "holds no lists of names"),
        ("s.csv", "file,split\n", "holds no names"),
    ],
)
def test_a_list_that_cannot_be_held_is_named(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words):
        read_splits(tmp_path / name)


def test_a_folder_without_lists_is_no_list(tmp_path):
    with pytest.raises(UserError, match=r"none of train\.txt"):
        read_splits(tmp_path)


def test_folds_of_nnunet_are_chosen_by_number(tmp_path):
    path = tmp_path / "splits_final.json"
    names = [f"c{n}" for n in range(9)]
    folds = [{"train": [n for n in names if n not in held], "val": held} for held in (names[:3], names[3:6])]
    path.write_text(json.dumps(folds))
    cases = [Record(name, name) for name in names]
    found = Splitting(file=str(path), fold=1)(cases)
    assert [r.case for r in found if r.split == "val"] == names[3:6]
    (note,) = leaks(found)
    assert note.words.startswith("test has no case: ") and not note.grave  # and taken from train alone
    assert sum(r.split == "test" for r in found) > 0
    with pytest.raises(UserError, match=r"data\.fold=2: .* holds folds 0 to 1"):
        Splitting(file=str(path), fold=2)(cases)


XML = "<annotation><filename>{}.png</filename></annotation>"


def folder(root, **how):
    return Folder(root=str(root), **how)


def table(root, **how):
    (root / "index.csv").write_text("image\n" + "".join(f"images/{n}.png\n" for n in range(8)))
    return Table(root=str(root), **how)


def voc(root, **how):
    (root / "Annotations").mkdir(exist_ok=True)
    for n in range(8):
        (root / f"Annotations/{n}.xml").write_text(XML.format(n))
    return Voc(root=str(root), image="images/{filename}", **how)


def decathlon(root, **how):
    cases = [{"image": f"images/{n}.png", "label": f"images/{n}.png"} for n in range(8)]
    about = {"modality": {"0": "x"}, "labels": {"0": "bg"}, "training": cases}
    (root / "dataset.json").write_text(json.dumps(about))
    return Decathlon(root=str(root), **how)


@pytest.mark.parametrize("source", [folder, voc, decathlon])
def test_every_source_holds_its_list(tmp_path, picture, source):
    for n in range(8):
        picture(f"images/{n}.png")
    (tmp_path / "s.csv").write_text("file,split\n" + "".join(f"{n}.jpg,{SPLIT[n]}\n" for n in range(7)))
    found = source(tmp_path, splits="s.csv").records()
    assert [r.split for r in found] == [*SPLIT[:7], None]
    assert any("1 of 8 cases are not in it: images/7.png" in f.words for f in leaks(found))


@pytest.mark.parametrize("source", [folder, voc])
def test_an_unknown_split_word_is_an_error_of_every_template(tmp_path, picture, source):
    for n in range(8):
        picture(f"images/{n}.png")
    with pytest.raises(UserError, match="split elsewhere; choose train, val or test"):
        source(tmp_path, given_split="elsewhere").records()
    with pytest.raises(UserError, match=r"data\.annotations: split elsewhere; choose train, val or test"):
        Coco(root=str(tmp_path), annotations={"elsewhere": "a.json"}).records()


def test_a_run_stops_or_leaves_out_whom_the_list_forgets(tmp_path, picture, caplog):
    for n in range(8):
        picture(f"images/{n}.png")
    (tmp_path / "s.csv").write_text(
        "file,split\n9.png,test\n" + "".join(f"{n}.png,{SPLIT[n]}\n" for n in (0, 1, 4, 6))
    )
    how: dict[str, Any] = {"batch_size": 1, "cache_dir": str(tmp_path / "c")}
    with pytest.raises(UserError, match="4 of 8 cases are not in it") as caught:
        DataModule(folder(tmp_path, splits="s.csv"), **how).setup()
    assert "1 of its 5 names match no case of the data set: 9.png" in str(caught.value)
    assert str(caught.value).count("are not in it") == 1  # told once
    data = DataModule(folder(tmp_path, splits="s.csv"), on_error="skip", **how)
    data.setup()
    assert {s: [r.case for r in rs] for s, rs in data.records.items()} == {
        "train": ["images_0", "images_1"],
        "val": ["images_4"],
        "test": ["images_6"],
    }
    assert "left out" in caplog.text and "images/2.png, images/3.png, images/5.png and 1 more" in caplog.text
    own = tmp_path / "own.csv"
    own.write_text("file,split\n" + "".join(f"{n}.png,{SPLIT[n]}\n" for n in range(8)))
    data = DataModule(
        folder(tmp_path, splits="s.csv"), split_file=str(own), **how
    )  # another list counts instead
    data.setup()
    assert [len(rs) for rs in data.records.values()] == [4, 2, 2]


def test_folds_that_a_table_gives_are_held(tmp_path, picture):
    for n in range(4):
        picture(f"{n}.png")

    def split(folds: list[str], **how: Any) -> list[Record]:
        rows = "".join(f"{n}.png,{fold}\n" for n, fold in enumerate(folds))
        (tmp_path / "index.csv").write_text("image,fold\n" + rows)
        return Splitting(folds=2, fold=1)(Table(root=str(tmp_path), given_fold="fold", **how).records())

    assert [r.split for r in split(["0.0", "1.0", "0", "0"])].index("test") == 1
    for folds, words in (
        (["0", "1", "", "0"], "1 of 4 cases have no fold: 2"),
        (["1", "2", "1", "2"], r"holds 1 to 2, where 0 to 1"),
        (["0", "1.5", "0", "0"], "row 3: fold 1.5"),
        (["0", "x", "0", "0"], "row 3: fold x"),
    ):
        with pytest.raises(UserError, match=words):
            split(folds)
