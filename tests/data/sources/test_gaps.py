"""Tables with gaps, dataset.json of every kind, sets of several labels an image: read right, or named."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ganatomy.data.io.readers import ReadError
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.medmnist import MedMnist
from ganatomy.data.sources.table import Table
from ganatomy.data.sources.voc import Voc
from ganatomy.errors import UserError


@pytest.mark.parametrize("gap", ["", "nan", "NaN", "null", "N/A", "  "])
@pytest.mark.parametrize("column", ["kind", "subject", "given_split"])
def test_a_gap_of_a_table_is_a_fault_of_its_row(tmp_path, picture, gap, column):
    for name in "abc":
        picture(f"{name}.png")
    value = {"kind": "sick", "subject": "p1", "given_split": "train"}[column]
    (tmp_path / "index.csv").write_text(f"image,x\na.png,{value}\n\nb.png,{gap}\nc.png,{value}\n")
    source = Table(root=str(tmp_path), **{column: "x"})  # type: ignore[arg-type]
    records = source.records()
    (fault,) = leaks(records)
    assert fault.words.startswith("index.csv, row 4: has no ") and "(column x)" in fault.words and fault.grave
    assert fault.case == "b" and source.image_classes == (("sick",) if column == "kind" else ())
    assert len({r.subject for r in records}) == (2 if column == "subject" else 3)  # nobody shares a gap


def test_gaps_of_json_are_gaps_too(tmp_path, picture):
    picture("a.png"), picture("b.png")
    rows = [{"image": "a.png", "who": None, "k": 1.0}, {"image": "b.png", "who": float("nan"), "k": 2}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    source = Table(root=str(tmp_path), table="t.json", subject="who", kind="k")
    assert [f.words for f in leaks(source.records())] == [
        f"t.json, row {n}: has no subject (column who); fill the cell or remove the row" for n in (1, 2)
    ]
    assert source.image_classes == ("1", "2")


def test_a_row_without_an_image_is_named(tmp_path, picture):
    picture("a.png")
    (tmp_path / "index.csv").write_text("image,who\na.png,x\n,y\n")
    faults = leaks(Table(root=str(tmp_path), subject="who").records())
    assert any("row 3: has no image" in fault.words for fault in faults)


def test_rows_are_chosen_by_what_cells_say_and_keep_their_numbers(tmp_path, picture):
    for name in "abc":
        picture(f"x/{name}.png")
    (tmp_path / "index.csv").write_text("image;part;who\nx\\a.png;1;p\nx/b.png;2;\nx/c.png;2;q\n")
    how: dict[str, Any] = {"root": str(tmp_path), "subject": "who"}
    found = Table(keep={"part": [2]}, **how).records()
    assert [r.case for r in found] == ["x_b", "x_c"] and "row 3" in leaks(found)[0].words
    assert Table(keep={"part": [1]}, **how).records()[0].content["image"] == ["x/a.png"]
    with pytest.raises(UserError, match=r"data\.keep.*no such column; there are image, part, who"):
        Table(keep={"fold": [1]}, **how).records()


def test_one_box_needs_no_second_pair_of_brackets(tmp_path, picture):
    picture("a.png")
    (tmp_path / "index.csv").write_text('image,b,c\na.png,"[1,2,5,8]",cell\n')
    source = Table(root=str(tmp_path), boxes="b", box_class="c")
    assert source.records()[0].content["boxes"] == [[2, 1, 8, 5]] and source.box_classes == ("cell",)


def test_files_of_one_name_are_not_told_apart_by_where(tmp_path, picture):
    picture("x/a.png"), picture("y/a.png")
    (tmp_path / "index.csv").write_text("image\na.png\n")
    with pytest.raises(UserError, match=r"x/a\.png and y/a\.png have the same name"):
        Table(root=str(tmp_path), where="*/*.png").records()


@pytest.fixture
def nnunet(tmp_path, volume, picture):
    """Cases c_000.. with so many channel files, and dataset.json."""

    def write(channels: int = 2, cases: int = 3, kind: str = "volume", **about: Any) -> dict[str, np.ndarray]:
        told = {"channel_names": {str(k): f"m{k}" for k in range(2)}, "labels": {"bg": 0, "a": 1}}
        ending = ".nii.gz" if kind == "volume" else ".png"
        (tmp_path / "dataset.json").write_text(json.dumps(told | {"file_ending": ending} | about))
        for n in range(cases):
            if kind == "volume":
                arrays = [volume(f"imagesTr/c_{n:03d}_{k:04d}{ending}") for k in range(channels)]
                volume(f"labelsTr/c_{n:03d}{ending}", np.zeros((6, 7, 8), np.uint8))
            else:
                arrays = [picture(f"imagesTr/c_{n:03d}_0000.png", shape=(20, 16, 3))]
                picture(f"labelsTr/c_{n:03d}.png", np.zeros((20, 16), np.uint8))
        return {"last": np.stack(arrays)}

    return write


def test_the_first_nnunet_lists_cases_without_the_numbers_of_channels(tmp_path, nnunet):
    listed = [
        {"image": f"./imagesTr/c_{n:03d}.nii.gz", "label": f"./labelsTr/c_{n:03d}.nii.gz"} for n in range(3)
    ]
    labels, modality = {"0": "bg", "1": "a"}, {"0": "x", "1": "y"}
    written = nnunet(training=listed, labels=labels, channel_names=None, modality=modality, numTraining=3)
    source = Decathlon(root=str(tmp_path))
    records = source.records()
    assert [r.case for r in records] == ["c_000", "c_001", "c_002"] and not leaks(records)
    assert np.array_equal(source.load(records[2])["image"], written["last"])
    (tmp_path / "imagesTr/c_001_0001.nii.gz").unlink()
    with pytest.raises(ReadError, match=r"c_001_0001\.nii\.gz: is not there"):
        source.load(source.records()[1])


def test_a_colour_picture_holds_all_its_channels(tmp_path, nnunet, picture):
    names = {"0": "R", "1": "G", "2": "B"}
    written = nnunet(kind="picture", channel_names=names, numTraining=3)["last"][0]
    source = Decathlon(root=str(tmp_path), spatial_dims=2)
    assert np.array_equal(source.load(source.records()[2])["image"], np.moveaxis(written, -1, 0))
    picture("imagesTr/c_001_0000.png")  # grey
    with pytest.raises(ReadError, match=r"has 1 channel, not data\.channels=3"):
        source.load(source.records()[1])


def test_a_case_with_a_channel_too_many_is_named(tmp_path, nnunet, volume):
    nnunet()
    volume("imagesTr/c_002_0002.nii.gz")
    (fault,) = leaks(Decathlon(root=str(tmp_path)).records())
    assert fault.words.startswith("c_002: has 3 image files") and fault.grave


def test_what_dataset_json_counts_is_there(tmp_path, nnunet, volume):
    nnunet(numTraining=5)
    (
        volume("imagesTr/c_009_0000.nii.gz"),
        volume("labelsTr/._c_000.nii.gz"),
        volume("imagesTr/._c_001_0000.nii.gz"),
    )
    words = [fault.words for fault in leaks(Decathlon(root=str(tmp_path)).records())]
    assert "numTraining is 5, but 3 cases are there" in words[0]
    assert "1 images have no label: c_009" in words[1] and len(words) == 2


LABELS: dict[str, tuple[dict[str, Any], str]] = {
    "gap": ({"bg": 0, "a": 1, "b": 3}, r"\[0, 1, 3\] are not 0, 1, 2, .*data\.label_values"),
    "no number": ({"bg": 0, "a": "one"}, "label a has the value one"),
    "twice": ({"bg": 0, "a": 1, "b": 1}, "labels a and b have the same value, 1"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_are_not_understood_are_named(tmp_path, nnunet, kind):
    labels, words = LABELS[kind]
    nnunet(labels=labels)
    with pytest.raises(UserError, match=words):
        Decathlon(root=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [("[]", "is a list"), ('{"labels": {"0": "a"}}', "has no channel_names"), ("{", "is no")],
)
def test_a_dataset_json_that_is_none_is_named(tmp_path, text, words):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=words):
        Decathlon(root=str(tmp_path))


def test_of_several_labels_an_image_one_is_chosen(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 5), ("val", 3), ("test", 3)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (count, 8, 8)).astype(np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 2, (count, 4))
    np.savez(tmp_path / "chest.npz", **arrays)
    with pytest.raises(
        UserError, match=r"data\.finding: chest has 4 labels per image; choose one of 0, 1, 2, 3"
    ):
        MedMnist(root=str(tmp_path), name="chest").records()
    prints = set()
    for finding in (0, 2):
        source = MedMnist(root=str(tmp_path), name="chest", finding=finding)
        told = [r.content["class"] for r in source.records() if r.split == "train"]
        assert told == arrays["train_labels"][:, finding].tolist()
        assert source.image_classes == (f"no {finding}", str(finding))
        prints.add(source.fingerprint(source.records()[0]))
    assert len(prints) == 2
    monkeypatch.setattr(MedMnist, "_names", lambda self: ("atelectasis", "mass", "nodule", "hernia"))
    named = MedMnist(root=str(tmp_path), name="chest", finding="nodule")
    assert [r.content["class"] for r in named.records()][:5] == told and named.image_classes == (
        "no nodule",
        "nodule",
    )
    with pytest.raises(UserError, match=r"data\.finding=cold: .* atelectasis, mass"):
        MedMnist(root=str(tmp_path), name="chest", finding="cold").records()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("masks/{nam}.png", "no such word nam; there are {path}, {stem}"),
        ("masks/{stem.png", "its braces hold no word"),
        ("masks/{0}.png", "its braces hold no word"),
    ],
)
def test_an_unknown_word_of_a_template_is_named(tmp_path, picture, label, words):
    picture("images/1.png")
    with pytest.raises(UserError) as caught:
        Folder(root=str(tmp_path), label=label, classes=["a", "b"]).records()
    assert str(caught.value).startswith(f"data.label={label}: {words}")


@pytest.mark.parametrize("cell", ["[[1,2", '[["a",2,3,4]]', '{"a":1}'])
def test_a_cell_without_boxes_is_shown(tmp_path, picture, cell):
    picture("1.png")
    quoted = cell.replace('"', '""')
    (tmp_path / "index.csv").write_text(f'image,boxes\n1.png,"{quoted}"\n')
    with pytest.raises(UserError) as caught:
        Table(root=str(tmp_path), boxes="boxes").records()
    assert str(caught.value).startswith(
        f"index.csv, row 2: boxes is not a list of boxes ({cell}); write [[x1"
    )


def test_an_object_without_a_name_is_no_class(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/1.xml").write_text("<annotation><object/></annotation>")
    with pytest.raises(UserError, match="an object has no"):
        Voc(root=str(tmp_path)).records()
