"""Cases that lack contrasts: what the network gets, what training drops, and what is refused."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.faults import examined
from ganatomy.data.sources.brain import Brain
from ganatomy.data.sources.contrasts import BrainContrasts
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.table import Table
from ganatomy.data.transforms.missing import with_drops
from ganatomy.errors import UserError
from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import inputs
from ganatomy.training.preprocessing import Preprocessing

NAMES = ("t1", "t2", "pd")


def contrast(number, name):
    rng = np.random.default_rng([number, NAMES.index(name)])
    return (500 + 100 * NAMES.index(name) + rng.normal(0, 50, (12, 10, 6))).astype(np.float32)


@pytest.fixture
def cohort(tmp_path):
    """Eight cases of three contrasts; the second lacks t2, the third all but pd."""
    rows = ["t1,t2,pd,target,who"]
    for number in range(8):
        left = {1: ("t1", "pd"), 2: ("pd",)}.get(number, NAMES)
        for name in (*left, "target"):
            array = contrast(number, "t1") if name == "target" else contrast(number, name)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}_{number}.nii.gz")
        cells = [f"{name}_{number}.nii.gz" if name in left else "" for name in NAMES]
        rows.append(",".join([*cells, f"target_{number}.nii.gz", f"p{number}"]))
    (tmp_path / "index.csv").write_text("\n".join(rows))
    return tmp_path


def table(root, image=NAMES, **keys):
    given = {
        "image": image if isinstance(image, str) else list(image),
        "target": "target",
        "target_channels": 1,
        "case": "who",
    }
    return Table(root=str(root), channels=3, spatial_dims=3, **{**given, **keys})


def data(root, **keys):
    source = table(root, missing="zero")
    given = {
        "batch_size": 8,
        "split": [6, 1, 1],
        "intensity": ["zscore", "range", "percentile"],
        "cache": "none",
    }
    return DataModule(source, missing="zero", **{**given, "target_intensity": "zscore", **keys})


def test_a_missing_channel_is_zero_and_the_others_are_as_if_alone(cohort):
    made = data(cohort)
    made.setup()
    records = {record.case: record for split in made.records.values() for record in split}
    case = made.cache.get(records["p1"])
    assert case["present"].tolist() == [True, False, True] and not case["image"][1].any()
    t1, pd = contrast(1, "t1"), contrast(1, "pd")
    np.testing.assert_allclose(
        np.sort(case["image"][0].ravel()), np.sort(((t1 - t1.mean()) / t1.std()).ravel()), atol=1e-4
    )
    low, high = np.percentile(pd, (1, 99))
    np.testing.assert_allclose(
        np.sort(case["image"][2].ravel()), np.sort(((pd - low) / (high - low)).ravel()), atol=1e-4
    )
    assert made.cache.get(records["p0"])["present"].all()
    assert not any(
        fault.grave or fault.kind == "constant" for fact in made.facts.values() for fault in fact.faults
    )


def test_one_intensity_for_all_is_of_the_channels_that_are_there(cohort):
    made = data(cohort, intensity="zscore")
    made.setup()
    record = next(r for split in made.records.values() for r in split if r.case == "p2")
    case, pd = made.cache.get(record), contrast(2, "pd")
    assert case["offset"][0] == pytest.approx(pd.mean(), rel=1e-5) and case["scale"][0] == pytest.approx(
        pd.std(), rel=1e-5
    )
    assert not case["image"][:2].any() and case["image"][2].std() == pytest.approx(1, rel=1e-3)


def test_batches_say_which_channels_are_there(cohort):
    made = data(cohort, split_file=str(split_of(cohort)))
    batch = next(iter(made.train_dataloader()))
    there = dict(zip(batch["case"], batch["present"].tolist(), strict=True))
    assert there["p1"] == [True, False, True] and there["p2"] == [False, False, True]
    assert batch["present"].dtype == torch.bool
    empty = ~batch["image"].flatten(2).any(2)
    assert torch.equal(empty, ~batch["present"])


def split_of(root):
    path = root.parent / "split.json"
    path.write_text(json.dumps({"train": [f"p{n}" for n in range(6)], "val": ["p6"], "test": ["p7"]}))
    return path


def test_training_drops_channels_by_seed_epoch_and_index_and_never_all(cohort):
    keys = {"drop": 0.6, "split_file": str(split_of(cohort)), "cache": "memory"}
    made = data(cohort, **keys)
    items, again = made.train_items(), data(cohort, **keys).train_items()
    seen = set()
    for epoch in range(40):
        for index in range(len(items)):
            item = items[epoch, index]
            own = items.places[index][0].content.get("present", [True] * 3)
            assert item["present"].any() and not (item["present"] & ~torch.tensor(own)).any()
            assert torch.equal(item["present"], again[epoch, index]["present"])
            assert torch.equal(item["image"].flatten(1).any(1), item["present"])
            seen.add(tuple(item["present"].tolist()))
    assert len(seen) == 7  # all combinations but none
    assert all(made.cache.get(r)["present"].all() for r in made.records["test"])


def test_the_share_of_dropped_channels_is_that_asked_for():
    item = {"image": torch.ones(4, 2, 2), "present": torch.ones(4, dtype=torch.bool)}
    left = np.mean([with_drops(dict(item), 0.3, seed)["present"].numpy() for seed in range(2000)])
    assert left == pytest.approx(0.7 + 0.3**4 / 4, abs=0.02)  # where all would go, one of four stays


def test_where_all_would_go_any_one_may_stay():
    item = {"image": torch.ones(4, 2, 2), "present": torch.ones(4, dtype=torch.bool)}
    left = np.mean([with_drops(dict(item), 0.999, seed)["present"].numpy() for seed in range(1000)], axis=0)
    assert left == pytest.approx(np.full(4, 0.25), abs=0.06)


def test_any_data_set_of_several_contrasts_can_drop_some():
    source = BrainContrasts(source=NAMES, target=("ct",), subjects=6, size=16, slices=2)
    made = DataModule(
        source, batch_size=4, missing="zero", drop=0.5, intensity="auto", target_intensity="auto"
    )
    batch = next(iter(made.train_dataloader()))
    assert batch["present"].shape == (4, 3) and not batch["present"].all()
    assert next(iter(made.test_dataloader()))["present"].all()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"drop": 0.2}, r"data\.drop=0\.2: drops channels in training; set data\.missing=zero"),
        ({"drop": 0.2, "missing": "zero"}, r"data\.drop=0\.2: the images have one channel"),
        ({"drop": 1.0, "missing": "zero"}, r"data\.drop=1\.0: is a probability"),
        ({"missing": "mean"}, r"data\.missing"),
    ],
)
def test_settings_that_mean_nothing_are_refused(keys, words):
    with pytest.raises(UserError, match=words):
        DataModule(Brain(subjects=6, size=16, slices=2), batch_size=1, **keys)


def test_without_the_key_a_missing_channel_is_a_fault_that_names_it(cohort):
    faults = [f for record in table(cohort).records() for f in record.problems if f.grave]
    assert [f.case for f in faults] == ["p1", "p2"]
    assert "index.csv, row 3: lacks the channel t2 of data.channels=3" in faults[0].words
    assert "data.missing=zero" in faults[0].words and "the channels t1, t2" in faults[1].words


def test_places_of_one_cell_may_be_empty(cohort):
    (cohort / "one.csv").write_text("image,target,who\nt1_1.nii.gz;;pd_1.nii.gz,target_1.nii.gz,p1\n")
    source = table(cohort, image=["image"], table="one.csv", missing="zero")
    record = source.records()[0]
    case, faults = examined(record, source)
    assert not [f for f in faults if f.grave] and case["present"].tolist() == [True, False, True]
    np.testing.assert_array_equal(case["image"][2], contrast(1, "pd"))
    one = table(cohort, image="image", table="one.csv")
    assert "lacks the channel 2 of data.channels=3" in one.records()[0].problems[0].words


def test_numbered_files_may_be_missing(tmp_path):
    for number, left in enumerate([(0, 1, 2), (0, 2)]):
        for channel in left:
            path = tmp_path / f"imagesTr/c{number}_{channel:04d}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(contrast(number, NAMES[channel]), np.eye(4)), path)
        label = tmp_path / f"labelsTr/c{number}.nii.gz"
        label.parent.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.ones((12, 10, 6), np.uint8), np.eye(4)), label)
    about = {"channel_names": {"0": "t1", "1": "t2", "2": "pd"}, "labels": {"background": 0, "x": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps({**about, "numTraining": 2, "file_ending": ".nii.gz"}))
    faults = [f.words for r in Decathlon(root=str(tmp_path)).records() for f in r.problems]
    assert len(faults) == 1 and "c1: lacks the channel t2 of data.channels=3" in faults[0]
    source = Decathlon(root=str(tmp_path), missing="zero")
    case = source.load(source.records()[1])
    assert case["present"].tolist() == [True, False, True]
    np.testing.assert_array_equal(case["image"][2], contrast(1, "pd"))


def named(root, given, missing="zero"):
    kept = Preprocessing(spatial_dims=3, channels=3, missing=missing)
    return inputs(kept, root / given)


def test_predict_takes_a_case_with_what_is_there(cohort):
    (cohort / "new.csv").write_text("image,case\n;t2_3.nii.gz;,a\nt1_0.nii.gz;t2_0.nii.gz;pd_0.nii.gz,b\n")
    source = named(cohort, "new.csv")
    one, other = (source.load(record) for record in source.records())
    assert one["present"].tolist() == [False, True, False] and "present" not in other
    np.testing.assert_array_equal(one["image"][1], contrast(3, "t2"))
    with pytest.raises(
        UserError, match=r"lack a channel, and the run takes all 3: .*without data\.missing=zero"
    ):
        named(cohort, "new.csv", None)


def test_predict_knows_missing_channels_by_the_numbers_of_files(cohort, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    for channel in (0, 2):
        (folder / f"c_{channel:04d}.nii.gz").write_bytes((cohort / f"{NAMES[channel]}_0.nii.gz").read_bytes())
    source = named(tmp_path, "new")
    (record,) = source.records()
    assert record.case == "c" and source.load(record)["present"].tolist() == [True, False, True]


def test_a_missing_channel_is_not_unfamiliar(cohort):
    made = data(cohort)
    made.setup()
    assert sum(not fact.summary for fact in made.facts.values()) == 2
    kept, source = made.familiarity(), made.source
    incomplete = source.load(next(r for r in source.records() if r.case == "p2"))
    assert kept is not None and not reasons(kept, incomplete)
    assert reasons(kept, {key: value for key, value in incomplete.items() if key != "present"})
    assert [r.kind for r in reasons(kept, incomplete | {"spacing": 9 * incomplete["spacing"]})] == [
        "spacing",
        "size",
    ]
