"""The loaders: whole cases to judge by; an order and augmentation that nothing but the seed changes."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import RandAffined, RandFlipd, RandGaussianNoised

from ganatomy.data.cache import Cache
from ganatomy.data.datamodule import DataModule
from ganatomy.data.pipeline import collate
from ganatomy.data.records import Record
from ganatomy.data.sampler import EndlessSampler
from ganatomy.data.sources.brain import Brain
from ganatomy.data.sources.lesions import BrainLesions
from ganatomy.data.summary import content_hash, summary
from ganatomy.errors import UserError


def module(workers: int = 0, spatial_dims: int = 2, **settings) -> DataModule:
    augment = [
        RandFlipd(["image", "label"], 0.5, 1),
        RandAffined(["image", "label"], prob=0.7, rotate_range=0.3, mode=["bilinear", "nearest"]),
        RandGaussianNoised(["image"], prob=0.5),
    ]
    source = Brain(subjects=4, size=24, slices=5, spatial_dims=spatial_dims)
    return DataModule(
        source, **{"batch_size": 3, "workers": workers, "seed": 5, "augment": augment} | settings
    )


def batches(data: DataModule, n: int) -> list[dict]:
    return list(islice(data.train_dataloader(), n))


def assert_equal(a: list[dict], b: list[dict]) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            same = torch.equal if isinstance(one[key], torch.Tensor) else (lambda x, y: x == y)
            assert same(one[key], other[key]), key


@pytest.fixture(scope="module")
def straight() -> list[dict]:
    return batches(module(), 10)  # ten slices in batches of three: epochs end inside batches 3, 6 and 9


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [1, 3, 4, 7])
def test_a_restart_goes_on_where_it_stopped(straight, workers, done):
    data = module(workers)
    data.start_at(done)
    assert_equal(batches(data, 10 - done), straight[done:])


def test_augmentation_neither_repeats_nor_stands_still(straight):
    images = torch.cat([batch["image"] for batch in straight])
    assert len(torch.unique(images.flatten(1), dim=0)) == len(images)


def test_another_seed_is_another_order_and_augmentation(straight):
    other = batches(module(seed=6), 10)
    assert any(
        a["case"] != b["case"] or not torch.equal(a["image"], b["image"])
        for a, b in zip(straight, other, strict=True)
    )


def test_items_travel_to_processes_that_do_not_fork(straight, tmp_path):
    """Without fork, a worker gets the data set as a pickle: small, and without the trainer."""
    import pickle

    data = module(cache="disk", cache_dir=str(tmp_path))
    items, places = data.train_items(), next(iter(EndlessSampler(10, 3, 5)))
    sent = pickle.dumps(items)
    assert len(sent) < 50_000
    batch = collate([pickle.loads(sent)[place] for place in places])
    assert_equal([batch], straight[:1])
    for loader in (data.val_dataloader(), module().test_dataloader()):
        pickle.loads(pickle.dumps(loader.dataset))


def test_global_random_state_neither_matters_nor_changes(straight):
    torch.manual_seed(99), np.random.seed(99)  # noqa: NPY002
    before = torch.get_rng_state()
    assert_equal(batches(module(), 4), straight[:4])
    assert torch.equal(torch.get_rng_state(), before)


def test_processes_share_the_batch(straight):
    data = module()
    items = data.train_items()
    for rank in range(3):
        share = next(iter(EndlessSampler(len(items), 3, 5, rank=rank, world_size=3)))
        assert torch.equal(
            collate([items[place] for place in share])["image"], straight[0]["image"][rank : rank + 1]
        )


@pytest.mark.parametrize(("spatial_dims", "shape"), [(2, (3, 1, 24, 24)), (3, (3, 1, 24, 24, 24))])
def test_training_batches_keep_the_contract(spatial_dims, shape):
    batch = batches(module(spatial_dims=spatial_dims), 1)[0]
    assert batch["image"].shape == batch["label"].shape == shape
    assert batch["image"].dtype == torch.float32 and batch["label"].dtype == torch.int64
    assert batch["spacing"].shape == (3, 3) and batch["affine"].shape == (3, 4, 4)
    assert len(batch["subject"]) == len(batch["case"]) == 3
    assert not any(isinstance(value, MetaTensor) for value in batch.values())
    assert set(batch["label"].unique().tolist()) <= {0, 1, 2, 3}


@pytest.mark.parametrize("patch", [None, 20])
def test_a_task_without_boxes_is_served_the_same_pictures_and_no_boxes(patch):
    """Patches are centred on boxes in both."""

    def first(with_boxes: bool) -> list[dict]:
        source = BrainLesions(subjects=6, size=32, slices=3)
        augment = [RandFlipd(["image", "label"], 0.5, 1)]
        return batches(
            DataModule(source, 4, split=(4, 1, 1), patch=patch, augment=augment, with_boxes=with_boxes), 4
        )

    served = first(True)
    assert sum(len(boxes) for batch in served for boxes in batch["boxes"]) > 0
    for boxed, bare in zip(served, first(False), strict=True):
        assert boxed.keys() - bare.keys() == {"boxes", "classes"} and bare.keys() <= boxed.keys()
        assert_equal([{key: boxed[key] for key in bare}], [bare])


def test_a_process_reads_its_own_rows_and_cases_alone(monkeypatch, tmp_path):
    read: list[str] = []
    view = Cache.view
    monkeypatch.setattr(Cache, "view", lambda *given: (read.append(given[1].case), view(*given))[1])
    shares = []
    for rank in range(2):
        data = module(batch_size=4, cache="disk", cache_dir=str(tmp_path), split=(1, 2, 1))
        data.setup()
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        read.clear()
        mine = batches(data, 3)
        assert read == [case for batch in mine for case in batch["case"]] and len(read) == 6
        read.clear()
        list(data.val_dataloader())
        shares.append(set(read))
    assert len(shares[0]) == len(shares[1]) == 1 and shares[0] != shares[1]


def test_evaluation_batches_hold_one_volume_in_order():
    data = module()
    (batch,) = data.val_dataloader()
    case = data.source.load(data.records["val"][0])
    assert batch["slice"].tolist() == list(range(5)) and set(batch["case"]) == {data.records["val"][0].case}
    volume = (batch["image"] * batch["scale"][:, :, None, None] + batch["offset"][:, :, None, None])[
        :, 0
    ].permute(1, 2, 0)
    assert np.allclose(volume.numpy(), case["image"][0], rtol=1e-5, atol=1e-3)
    assert torch.equal(batch["label"][:, 0].permute(1, 2, 0), torch.from_numpy(case["label"][0]).long())


def test_evaluation_batches_of_volumes_hold_several_cases():
    (batch,) = module(spatial_dims=3, batch_size=4).test_dataloader()
    assert batch["image"].shape == (1, 1, 24, 24, 24) and "slice" not in batch


def test_normalisation_is_per_volume():
    (batch,) = module().val_dataloader()
    assert batch["image"].mean().abs() < 1e-4 and batch["image"].std() == pytest.approx(1, abs=0.01)


def test_summary_is_plain_and_its_hash_tells_content_and_preparation_apart():
    import json

    told = summary(module())
    assert json.loads(json.dumps(told)) == told
    assert told["cases"] == {"train": 2, "val": 1, "test": 1}
    assert len(told["subjects"]["test"]) == 1
    assert told["hash"] == content_hash(module(seed=9, workers=2))
    assert len({content_hash(module(**s)) for s in ({}, {"intensity": "range"}, {"spatial_dims": 3})}) == 3


def test_waiting_is_measured():
    import time

    data = module()
    loader = data.train_dataloader()
    for _ in islice(loader, 6):
        time.sleep(0.05)
    assert 0 < loader.wait_share < 0.5
    assert loader.elapsed - loader.waited >= 5 * 0.05


class Faulty(Brain):
    def __init__(self, fault: str) -> None:
        super().__init__(subjects=4, size=16, slices=2)
        self.fault = fault

    def load(self, record: Record) -> dict[str, np.ndarray]:
        case = super().load(record)
        if record.case == "virtual-002" and self.fault == "label":
            case["label"][0, 0, 0, 0] = 9
        if record.case == "virtual-002" and self.fault == "nan":
            case["image"][0, 0, 0, 0] = np.nan
        return case


@pytest.mark.parametrize(
    ("fault", "words"),
    [("label", "virtual-002: label value 9"), ("nan", "virtual-002"), ("split", "split val")],
)
def test_what_would_spoil_a_run_is_said_before_it(fault, words):
    with pytest.raises(UserError, match=words):
        split = (2, 0, 1) if fault == "split" else (2, 1, 1)
        DataModule(Faulty(fault), batch_size=2, split=split).train_dataloader()


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"cache": "ram"}, "cache"),
        ({"intensity": "z"}, "intensity"),
    ],
)
def test_impossible_settings_are_named(setting, key):
    with pytest.raises(UserError, match=f"data.{key}"):
        module(**setting).setup()


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_caches_change_nothing(straight, tmp_path, cache):
    for _ in range(2):
        assert_equal(batches(module(cache=cache, cache_dir=str(tmp_path)), 4), straight[:4])


def test_a_changed_preparation_is_not_served_from_the_old_cache(tmp_path):
    first, second = (
        batches(module(cache="disk", cache_dir=str(tmp_path), intensity=how), 1)[0]
        for how in ("zscore", "range")
    )
    assert first["image"].min() < 0 <= second["image"].min()


def test_folds_and_files_reach_the_loaders(tmp_path):
    data = module(folds=4, fold=2)
    tested = {record.case for record in (data.setup(), data.records["test"])[1]}
    table = tmp_path / "s.csv"
    names = [record.case for record in data.source.records()]
    rows = [
        f"{name},{'test' if name in tested else 'val' if name == names[-1] else 'train'}" for name in names
    ]
    table.write_text("\n".join(["file,split", *rows]))
    again = module(split_file=str(table))
    again.setup()
    assert {record.case for record in again.records["test"]} == tested
