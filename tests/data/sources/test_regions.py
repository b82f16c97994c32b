"""Regions and the ignore label, from settings and from nnU-Net's dataset.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.regions import Overlapping, overlapping
from ganatomy.data.quality import counts, inventory
from ganatomy.data.quality.survey import classes_in
from ganatomy.data.records import IGNORED
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.files.masks import class_numbers, merged
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.classes import label_map_of, labelling_of

NAMES, VALUES = ("background", "edema", "core", "enhancing"), (0, 1, 2, 4)
BRATS = {"whole": [1, 2, 4], "core": [2, 4], "enhancing": 4}


def found(regions: Any, order: Any = None) -> Overlapping:
    made = overlapping(regions, order, NAMES, VALUES)
    assert made is not None
    return made


def test_values_of_masks_become_class_numbers() -> None:
    made = found(BRATS, [1, 2, 4])
    assert made.regions == {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}
    assert made.order == ((0, 1), (1, 2), (2, 3))
    assert made.words(VALUES).endswith("enhancing = 4 (written as 4)")
    by_name = {"whole": NAMES[1:], "core": ["core", 4], "enhancing": "enhancing"}
    assert found(by_name).regions == made.regions
    assert overlapping(None, None, NAMES, VALUES) is None and overlapping({}, None, NAMES, VALUES) is None


def test_an_order_that_leaves_no_choice_is_found() -> None:
    assert found(BRATS).order == found(BRATS, [1, 2, 4]).order
    turned = found({"enhancing": [4], "core": [2, 4], "whole": [1, 2, 4]})
    assert turned.order == ((2, 1), (1, 2), (0, 3))  # the larger first
    assert found({"a": [1], "b": [2], "c": [4]}).order == ((0, 1), (1, 2), (2, 3))


WRONG: dict[str, tuple[Any, Any, str]] = {
    "no order": (
        {"whole": [1, 2, 4], "core": [4]},
        None,
        "regions_class_order: is needed, since whole .* 1 or 2",
    ),
    "crossing": ({"a": [1, 2], "b": [2, 4]}, None, "is needed, since a and b overlap"),
    "length": (BRATS, [1, 2], "2 values for 3 regions"),
    "not its own": (BRATS, [1, 2, 1], "enhancing would be written as 1, which is none of its values"),
    "written over": ({"core": [2, 4], "whole": [1, 2, 4]}, [2, 1], "whole is written over all of core"),
    "unknown": (
        {"whole": [1, 3]},
        None,
        r"data.regions.whole: 3 is no value of the masks; they have 0 \(back",
    ),
    "name": ({"whole": ["oedema"]}, None, "oedema is no value"),
    "background": ({"whole": [0, 1]}, None, "is the background"),
    "empty": ({"whole": []}, None, "data.regions.whole: holds no value"),
    "twice": ({"a": [1, 2], "b": [2, 1]}, None, "data.regions.b: has the values of a"),
    "a list": ([1, 2], None, "give names with the values"),
    "order alone": (None, [1], "there are no regions to write"),
    "truth value": ({"whole": [True]}, None, "True is no value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_regions_that_cannot_be_are_named(case: str) -> None:
    regions, order, words = WRONG[case]
    with pytest.raises(UserError, match=words):
        overlapping(regions, order, NAMES, VALUES)


@pytest.fixture
def nnunet(tmp_path: Path) -> Callable[..., str]:
    """A folder with three volumes of the values 0 to 3."""

    def make(labels: dict[str, Any], **more: Any) -> str:
        draw = np.random.default_rng(0)
        for folder in ("imagesTr", "labelsTr"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for n in range(3):
            image = draw.normal(100, 9, (8, 8, 4)).astype(np.int16)
            label = draw.integers(0, 4, (8, 8, 4)).astype(np.uint8)
            nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / f"imagesTr/c_{n}_0000.nii.gz")
            nib.save(nib.Nifti1Image(label, np.eye(4)), tmp_path / f"labelsTr/c_{n}.nii.gz")
        about = {"channel_names": {"0": "T1"}, "labels": labels, "numTraining": 3, "file_ending": ".nii.gz"}
        (tmp_path / "dataset.json").write_text(json.dumps(about | more))
        return str(tmp_path)

    return make


def label_of(source: Any, place: int = 0) -> np.ndarray:
    return np.asarray(source.load(source.records()[place])["label"])


@pytest.mark.parametrize(("name", "known"), [("CT", "CT"), ("ct", "CT"), ("T1", ""), ("noNorm", "")])
def test_a_channel_called_ct_is_one(nnunet: Callable[..., str], name: str, known: str) -> None:
    """nnU-Net's rule; what another name means is not known."""
    root = nnunet({"background": 0, "organ": [1, 2, 3]}, channel_names={"0": name})
    assert Decathlon(root=root).modalities == (known,)


def test_regions_of_nnunet(nnunet: Callable[..., str]) -> None:
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    source = Decathlon(root=nnunet(labels, regions_class_order=[1, 2, 3]))
    assert source.classes == ("background", "label 1", "label 2", "enhancing")
    assert label_of(source).dtype == np.uint8
    data = DataModule(source, batch_size=2)
    assert data.regions == found({"whole": [1, 2, 4], "core": [2, 4], "enhancing": [4]}, [1, 2, 4])
    assert DataModule(source, batch_size=2, regions={}).regions is None
    own = DataModule(source, batch_size=2, regions={"all": [1, 2, 3]}, regions_class_order=[2])
    assert own.regions == Overlapping({"all": (1, 2, 3)}, ((0, 2),))


def test_regions_are_written_in_the_order_of_the_file(nnunet: Callable[..., str]) -> None:
    """Against nnU-Net's loop: the first value is that of the region named first, later ones go over it."""
    order = [3, 1]
    root = nnunet({"background": 0, "z": [2, 3], "a": [1, 2]}, regions_class_order=order)
    data = DataModule(Decathlon(root=root), batch_size=2)
    labelling = labelling_of(data.source.classes, label_map_of(data))
    assert list(labelling.groups) == ["z", "a"]
    drawn = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((9, 9), int)
    for place, value in enumerate(order):
        expected[drawn[0, place].numpy() > 0.5] = value
    np.testing.assert_array_equal(labelling.labels(drawn)[0, 0], expected)


def test_the_ignore_label_of_nnunet(nnunet: Callable[..., str]) -> None:
    root = nnunet({"background": 0, "edema": 1, "core": 2, "ignore": 3})
    source = Decathlon(root=root)
    assert source.classes == ("background", "edema", "core") and source.ignore_label == 3
    stored = np.asarray(nib.load(f"{root}/labelsTr/c_0.nii.gz").dataobj)[None]
    np.testing.assert_array_equal(label_of(source), np.where(stored == 3, IGNORED, stored.astype(int)))
    data = DataModule(source, batch_size=2, patch=4, split=[1, 1, 1])
    data.setup()
    assert data.ignores and all(fact.holds["label"] == [1, 2] for fact in data.facts.values())
    ready = data.whole(data.records["train"][0])
    assert set(np.unique(ready["seed_values"])) == {1, 2}  # no patch is centred on what nobody knows


@pytest.mark.parametrize("ignored", [False, True])
def test_check_shows_the_shares_of_regions_and_of_what_is_ignored(
    nnunet: Callable[..., str], ignored: bool
) -> None:
    labels = {"bg": 0, "whole": [1, 2], "core": [2]} | ({"ignore": 3} if ignored else {"rest": 3})
    root = nnunet(labels, **({} if ignored else {"regions_class_order": [1, 2, 3]}))
    source = Decathlon(root=root)
    data = DataModule(source, batch_size=2, split=[1, 1, 1])
    found = inventory.take(data.splitting(source.records()), source, 0, lambda record, case: None)
    heads, rows = counts.table(found, source, data.regions)
    for row in rows:
        cells = dict(zip(heads, row, strict=True))
        name = next(r.case for r in found.records if r.split == cells["split"])
        stored = np.asarray(nib.load(f"{root}/labelsTr/{name}.nii.gz").dataobj)
        shares = {"% in whole": np.isin(stored, [1, 2]), "% in core": stored == 2}
        shares |= {"% ignored": stored == 3} if ignored else {"% rest": stored == 3}
        for head, mask in shares.items():
            assert float(cells[head]) == pytest.approx(100 * mask.mean(), rel=5e-3)
        assert ("% ignored" in cells) is ignored


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "lower": ({"background": 0, "a": 1, "ignore": 2, "b": 3}, {}, r"ignore is 2, and others go up to 3"),
    "several": ({"background": 0, "a": 1, "ignore": [2, 3]}, {}, "nnU-Net allows one ignore label"),
    "no value": ({"background": 0, "a": []}, {}, "label a has no value"),
    "order": ({"background": 0, "a": [1, 2, 3]}, {"regions_class_order": 1}, "regions_class_order is 1"),
    "gap": ({"background": 0, "a": [1, 3], "b": 3}, {}, r"\[0, 1, 3\] are not 0, 1, 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_dataset_json_that_is_not_understood(nnunet: Callable[..., str], case: str) -> None:
    labels, more, words = BAD[case]
    with pytest.raises(UserError, match=words):
        Decathlon(root=nnunet(labels, **more))


def test_an_order_that_nnunet_needs_and_misses(nnunet: Callable[..., str]) -> None:
    source = Decathlon(root=nnunet({"background": 0, "whole": [1, 2, 3], "core": [3]}))
    with pytest.raises(UserError, match="is needed, since whole could be written as 1 or 2"):
        _ = DataModule(source, batch_size=2).regions


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Folder]:
    """A folder of pictures whose masks have these values."""

    def make(values: list[int], **settings: Any) -> Folder:
        draw = np.random.default_rng(0)
        for n in range(3):
            for folder, array in (
                ("images", draw.integers(0, 255, (8, 8))),
                ("masks", draw.choice(values, (8, 8))),
            ):
                (tmp_path / folder).mkdir(exist_ok=True)
                Image.fromarray(array.astype(np.uint8)).save(tmp_path / folder / f"p{n}.png")
        more = {"classes": ["background", "lesion"], **settings}
        return Folder(root=str(tmp_path), label="masks/{name}", size=8, **more)

    return make


@pytest.mark.parametrize(
    "values, settings",
    [([0, 1, 7], {"ignore_label": 7}), ([0, 255, 128], {"label_values": [0, 255], "ignore_label": 128})],
    ids=["numbers", "values"],
)
def test_the_ignore_label_of_any_mask(
    pictures: Callable[..., Folder], values: list[int], settings: dict[str, Any]
) -> None:
    source = pictures(values, **settings)
    stored = np.array(Image.open(Path(source.root) / "masks/p0.png")).astype(int)
    expected = np.select([stored == values[0], stored == values[1]], [0, 1], IGNORED)
    np.testing.assert_array_equal(label_of(source)[0], expected)
    plain = pictures(values, **{**settings, "ignore_label": None})
    record = source.records()[0]
    assert source.content(record) != plain.content(record)
    assert "ignore_label" not in plain.content(record)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"ignore_label": 1}, "data.ignore_label=1: is the value of the class lesion"),
        ({"ignore_label": 255, "label_values": [0, 255]}, "is the value of the class lesion"),
        ({"ignore_label": 0}, "is the value of the class background"),
        ({"ignore_label": True}, "give the one whole number"),
    ],
)
def test_an_ignore_label_that_is_a_class(
    pictures: Callable[..., Folder], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        pictures([0, 1], **settings)


def test_of_several_masks_a_class_wins_and_what_is_unknown_in_one_is_unknown() -> None:
    one, other = np.array([[0, 1, IGNORED, IGNORED]], np.int8), np.array([[0, IGNORED, 2, 0]], np.int8)
    np.testing.assert_array_equal(merged([one, other]), [[0, 1, 2, IGNORED]])
    large = np.array([[0, 200, 255, 3]], np.uint8)
    found = class_numbers(large, Path("mask.png"), None, 255)
    assert found.tolist() == [[0, 200, IGNORED, 3]]


@pytest.mark.parametrize("masked", [False, True])
def test_a_case_of_which_nothing_is_known(masked: bool) -> None:
    label = np.full((1, 4, 4), IGNORED, np.int8)
    label[0, 0, 0] = 1
    mask = {"mask": np.indices((1, 4, 4))[1] > 0} if masked else {}
    assert ("unscored" in classes_in({"label": label, **mask})) is masked
    assert classes_in({"label": label})["label"] == [1]
