"""Which cases give images and which give targets; what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Record
from ganatomy.data.sides.sides import Sides
from ganatomy.data.splits.split import Splitting
from ganatomy.data.summary import summary
from ganatomy.errors import UserError
from tests.data.sides.test_order import Ramps, opened


def subjects(records):
    return {record.subject for record in records}


def test_disjoint_sides_share_no_subject_and_half_the_strata_each():
    data = opened(Ramps(24, each=2), unpaired="disjoint")
    data.setup()
    images, targets = data.records["train"], data.target_cases("train")
    assert not subjects(images) & subjects(targets)
    assert len(subjects(images)) == len(subjects(targets)) == 8
    assert len(images) == len(targets) == 16
    for side in (images, targets):
        assert Counter(record.stratum for record in side) == {"a": 8, "b": 8}
    again = opened(Ramps(24, each=2), unpaired="disjoint", seed=5)
    again.setup()
    assert subjects(again.records["train"]) == subjects(images)  # not by the seed of training
    other = opened(Ramps(24, each=2), unpaired="disjoint", split_seed=5)
    other.setup()
    assert subjects(other.records["train"]) != subjects(images)
    assert data.records["test"] == data.target_cases("test") and data.has_pairs("test")


def test_the_seed_of_the_split_decides_the_halves():
    """Of the same training subjects: the split is stated."""
    records = {"train": [Record(f"s{n}", f"s{n}") for n in range(12)], "val": [], "test": []}
    sides = [Sides("disjoint", seed).divide(records, lambda _: True)[0]["train"] for seed in range(5)]
    halves = {frozenset(subjects(side)) for side in sides}
    assert len(halves) > 1 and all(len(half) == 6 for half in halves)


def test_all_subjects_are_on_both_sides_by_default():
    data = opened(Ramps(12))
    data.setup()
    assert data.records["train"] == data.target_cases("train") and len(data.records["train"]) == 8
    assert data.notes[0] == "unpaired: 8 images and 8 targets, 8 subjects on both sides"


def test_data_json_counts_both_sides():
    about = summary(opened(Ramps(12), unpaired="disjoint"))["sides"]
    assert about["images"]["cases"] == {"train": 4, "val": 2, "test": 2}
    assert about["targets"]["cases"] == {"train": 4, "val": 2, "test": 2}
    both = about["images"]["subjects"]["train"], about["targets"]["subjects"]["train"]
    assert not set(both[0]) & set(both[1])
    assert "sides" not in summary(opened(Ramps(12), unpaired=False))


def test_pairs_keep_the_hash_of_their_data():
    """Unpaired or not, the run has read the same cases."""
    hashes = {summary(opened(Ramps(12), unpaired=how))["hash"] for how in (False, True, "disjoint")}
    assert len(hashes) == 1


def test_the_target_of_a_case_alone():
    data = opened(Ramps(12), intensity="zscore", target_intensity=[1_000_000, 1_100_000])
    data.setup()
    record = data.target_cases("test")[0]
    case = data.evaluated_target(record)
    assert "image" not in case and "offset" not in case
    raw = data.source.load(record)["target"]
    np.testing.assert_allclose(case["target"] * case["target_scale"] + case["target_offset"], raw, atol=0.01)


def sided(images: int, targets: int, both: int, stratum: str = "") -> list[Record]:
    return [
        *(Record(f"i{n}", f"i{n}", stratum=stratum, side="image") for n in range(images)),
        *(Record(f"t{n}", f"t{n}", stratum=stratum, side="target") for n in range(targets)),
        *(Record(f"b{n}-i", f"b{n}", stratum=stratum, side="image") for n in range(both)),
        *(Record(f"b{n}-t", f"b{n}", stratum=stratum, side="target") for n in range(both)),
    ]


@pytest.mark.parametrize("counts", [(3, 3, 0), (5, 20, 0), (4, 4, 4), (6, 6, 1), (3, 30, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_every_split_has_its_share_of_both_sides(counts, seed):
    dealt = Splitting(seed=seed)(sided(*counts))
    for split in ("train", "val", "test"):
        sides = {record.side for record in dealt if record.split == split}
        assert sides == {"image", "target"}, (counts, split)
    splits = {}
    for record in dealt:
        assert splits.setdefault(record.subject, record.split) == record.split


def test_cases_without_sides_are_split_as_ever():
    """A digest of the splits of commit f05fd4a, which knew no sides."""
    records = [Record(f"c{n}", f"s{n // 2}", stratum="xyz"[n % 3]) for n in range(40)]
    dealt = Splitting(seed=3)(records)
    chosen = [record.case for record in dealt if record.split != "train"]
    assert chosen == [f"c{n}" for n in (6, 7, 18, 19, 26, 27, 28, 29, 34, 35, 36, 37)]


@pytest.mark.parametrize("folds", range(3))
def test_folds_have_both_sides(folds):
    dealt = Splitting(folds=3, fold=folds)(sided(6, 9, 0))
    for split in ("train", "val", "test"):
        assert {record.side for record in dealt if record.split == split} == {"image", "target"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"label_fraction": 0.5}, "data.label_fraction=0.5"),
        ({"label_fraction": 0.5, "unlabelled_fraction": 0.5}, "data.unlabelled_fraction=0.5"),
        ({"unpaired": "halves"}, "data.unpaired=halves: choose false, true, disjoint"),
    ],
)
def test_what_makes_no_sense_beside_unpaired_sides_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        opened(**settings)
    assert words in str(refused.value) and "data.unpaired" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_degradation_makes_pairs_and_is_refused():
    from ganatomy.degradations.noise import Gaussian

    with pytest.raises(UserError, match=r"data\.unpaired=true: a degradation makes pairs"):
        opened(degrade=Gaussian())


def test_sides_of_different_size_are_named():
    class Uneven(Ramps):
        def load(self, record):
            case = super().load(record)
            side = "target" if record.side == "target" else "image"
            picture = (
                np.ones((1, *((8, 8) if side == "image" else (6, 6)))) * np.arange(1, 2) + record.content["n"]
            )
            picture[0, 0, 0] = -1
            return {side: picture, "affine": case["affine"], "spacing": case["spacing"]}

        def records(self):
            return [
                Record(f"{side}{n}", f"{side}{n}", content={"n": n}, side=side)
                for side in ("image", "target")
                for n in range(4)
            ]

    with pytest.raises(UserError) as refused:
        opened(Uneven()).train_items()
    assert str(refused.value) == (
        "data.size: the images have 8x8 voxels and targets 6x6, and a batch needs one shape; set data.size "
        "(with data.resize), or data.patch"
    )
    assert opened(Uneven(), patch=4).train_items()[0, 0]["target"].shape == (1, 4, 4)


def test_an_image_where_a_target_is_promised_breaks_the_contract():
    class Wrong(Ramps):
        def records(self):
            return [Record(f"c{n}", f"c{n}", content={"n": n}, side="target") for n in range(4)]

        def load(self, record):
            case = super().load(record)
            del case["target"]
            return case

    with pytest.raises(UserError, match=r"Wrong.load gives no 'target'; found image"):
        opened(Wrong()).setup()


def test_a_model_of_pairs_gets_no_unpaired_rows_and_the_reverse():
    with pytest.raises(UserError, match=r"data\.unpaired=disjoint: this model learns from pairs"):
        opened(unpaired="disjoint").check_learner(False)
    with pytest.raises(UserError, match=r"data\.unpaired=false: this model learns without pairs"):
        opened(unpaired=False).check_learner(True)
    for unpaired in (True, False):
        opened(unpaired=unpaired).check_learner(None)
        opened(unpaired=unpaired).check_learner(unpaired)


def test_an_unpaired_run_is_familiar_with_its_images_alone():
    data = opened(Ramps(12), unpaired=True)
    assert (
        isinstance(data, DataModule) and data.familiarity() == opened(Ramps(12), unpaired=False).familiarity()
    )
