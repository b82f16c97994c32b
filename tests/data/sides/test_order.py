"""Both sides of a batch: independent, and the same from any start and for any number of processes."""

from __future__ import annotations

import itertools
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import RandFlipd, RandGaussianNoised, RandRotate90d, RandScaleIntensityd

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Record
from ganatomy.data.sampler import STREAMS, EndlessSampler, order
from ganatomy.data.sides.items import TARGETS


class Ramps:
    """Pictures or volumes whose values name their case, their side and their place."""

    channels, spatial_dims, size = 1, 2, None
    classes, box_classes, image_classes = (), (), ()

    def __init__(self, subjects: int = 12, shape: tuple[int, ...] = (8, 8), each: int = 1) -> None:
        self.subjects, self.shape, self.each = subjects, shape, each

    def records(self) -> list[Record]:
        return [
            Record(f"s{n}_{k}", f"s{n}", content={"n": n * self.each + k}, stratum="ab"[n % 2])
            for n in range(self.subjects)
            for k in range(self.each)
        ]

    def load(self, record: Record) -> dict[str, np.ndarray]:
        ramp = np.arange(np.prod(self.shape), dtype=np.float64).reshape(1, *self.shape)
        image = ramp + 10_000 * record.content["n"]
        return {
            "image": image,
            "target": image + 1_000_000,
            "affine": np.diag([1.0, 1, 1, 1.0]),
            "spacing": np.ones(len(self.shape)),
        }

    def fingerprint(self, record: Record) -> str:
        return f"ramps {self.shape} {record.case}"

    content = fingerprint


def opened(source: Any = None, **settings: Any) -> DataModule:
    settings = {"batch_size": 4, "intensity": "none", "orientation": None, "unpaired": True, **settings}
    return DataModule(source or Ramps(), **settings)


def batches(data: DataModule, count: int) -> list[dict[str, Any]]:
    return list(islice(iter(data.train_dataloader()), count))


def case_of(values: torch.Tensor) -> list[int]:
    """Return the number of the case in the first voxel of each row."""
    return [int(row.flatten().min()) % 1_000_000 // 10_000 for row in values]


def test_the_orders_of_the_sides_are_independent():
    n, epochs = 200, 20
    pairs = [(order(n, 3, epoch), order(n, 3, epoch, TARGETS)) for epoch in range(epochs)]
    correlations = [np.corrcoef(*pair)[0, 1] for pair in pairs]
    assert abs(np.mean(correlations)) < 4 / np.sqrt(n * epochs)  # four standard errors
    own = sum(int((one == other).sum()) for one, other in pairs)
    assert own < epochs + 4 * np.sqrt(epochs)  # one a permutation is expected by chance
    expected = np.random.default_rng([STREAMS, TARGETS, 3, 0]).permutation(n)
    assert pairs[0][1].tolist() == expected.tolist()


def test_a_row_names_both_of_its_cases_and_every_target_comes_once_in_its_epoch():
    data = opened(batch_size=3)
    found = batches(data, 8)
    for batch in found:
        names = {record.case: record.content["n"] for record in data.dealt}
        assert case_of(batch["image"]) == [names[case] for case in batch["case"]]
        assert case_of(batch["target"]) == [names[case] for case in batch["target_case"]]
        assert (batch["target"] >= 1_000_000).all() and (batch["image"] < 1_000_000).all()
    seen = [case for batch in found for case in batch["target_case"]]
    for epoch in range(3):
        assert len(set(seen[epoch * 8 : (epoch + 1) * 8])) == 8
    assert seen[:8] != seen[8:16]
    assert [case for batch in found for case in batch["case"]] != seen


def test_two_runs_are_equal_and_a_later_start_is_the_tail():
    settings = {"augment": [RandFlipd(keys=["image", "target"], prob=0.5, spatial_axis=0)]}
    whole, again, later = opened(**settings), opened(**settings), opened(**settings)
    later.start_at(5)
    for one, other in itertools.chain(
        zip(batches(whole, 8), batches(again, 8), strict=True),
        zip(batches(whole, 8)[5:], batches(later, 3), strict=True),
    ):
        assert one["target_case"] == other["target_case"]
        assert torch.equal(one["image"], other["image"]) and torch.equal(one["target"], other["target"])
    other = opened(seed=1)
    assert batches(whole, 1)[0]["target_case"] != batches(other, 1)[0]["target_case"]


@pytest.mark.parametrize("pieces", [1, 2])
def test_processes_together_read_the_global_batch(pieces):
    alone = batches(opened(batch_size=6, pieces=pieces), 4)
    parts = []
    for rank in range(2):
        data = opened(batch_size=6, pieces=pieces)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        rows = [row for share in data.shares for row in share.rows]
        parts.append((rows, batches(data, 4)))
    for number, batch in enumerate(alone):
        for rows, part in parts:
            for key in ("case", "target_case"):
                assert part[number][key] == [batch[key][row] for row in rows]
            assert torch.equal(part[number]["target"], batch["target"][rows])


def test_sides_of_unequal_length_run_on():
    n, m, size = 5, 3, 4
    images = list(islice(EndlessSampler(n, size, 0), 12))
    targets = list(islice(EndlessSampler(m, size, 0, stream=TARGETS), 12))
    assert {epoch for batch in images for epoch, _ in batch} == set(range(10))
    assert {epoch for batch in targets for epoch, _ in batch} == set(range(16))


def test_slices_of_the_sides_are_drawn_independently():
    data = opened(Ramps(6, (6, 6, 10)), batch_size=8)
    found = batches(data, 20)
    own = np.concatenate([batch["slice"] for batch in found])
    other = np.concatenate([batch["target"][:, 0, 0, 0].numpy() % 10 for batch in found])
    assert set(own.tolist()) == set(other.tolist()) == set(range(10))
    assert abs(np.corrcoef(own, other)[0, 1]) < 4 / np.sqrt(len(own))


def test_patches_of_the_sides_are_cut_independently():
    data = opened(Ramps(6, (32, 32)), patch=8, batch_size=8)
    found = batches(data, 20)
    starts = [
        np.concatenate([batch[key][:, 0, 0, 0].numpy() % 10_000 for batch in found])
        for key in ("image", "target")
    ]
    assert len(set(starts[0])) > 50
    assert abs(np.corrcoef(*starts)[0, 1]) < 4 / np.sqrt(len(starts[0]))


@pytest.mark.parametrize("turn", [RandFlipd, RandRotate90d])
def test_augmentation_of_the_sides_is_independent(turn):
    """By the direct transforms (flips), and by MONAI's own (turns)."""
    how = {"spatial_axis": 0} if turn is RandFlipd else {"max_k": 1}
    data = opened(batch_size=8, augment=[turn(keys=["image", "target"], prob=0.5, **how)])
    moved = [
        np.concatenate([batch[key][:, 0, 0, 0].numpy() % 10_000 > 0 for batch in batches(data, 25)])
        for key in ("image", "target")
    ]
    assert abs(np.corrcoef(*moved)[0, 1]) < 4 / np.sqrt(len(moved[0]))
    assert all(0.35 < side.mean() < 0.65 for side in moved)


def test_a_transform_acts_on_the_side_that_it_names():
    data = opened(augment=[RandGaussianNoised(keys=["image"], prob=1.0, std=0.1)])
    batch = batches(data, 1)[0]
    assert (batch["target"] % 1 == 0).all() and (batch["image"] % 1 != 0).any()
    data = opened(augment=[RandScaleIntensityd(keys=["target"], factors=0.1, prob=1.0)])
    batch = batches(data, 1)[0]
    assert (batch["image"] % 1 == 0).all() and case_of(batch["target"]) is not None
    assert not (batch["target"] % 1 == 0).all()


def test_a_transform_of_one_side_may_move_it_alone():
    """Where rows are pairs, one that moved the image and not its target would be refused."""
    data = opened(augment=[RandFlipd(keys=["image"], prob=1.0, spatial_axis=0)])
    batch = batches(data, 1)[0]
    assert (batch["image"][:, 0, 0, 0] % 10_000 == 56).all() and (
        batch["target"][:, 0, 0, 0] % 10_000 == 0
    ).all()


def test_a_row_without_a_stated_target_has_one_by_seed_epoch_and_index():
    items = opened().train_items()
    assert items[0, 2]["target_case"] == items[0, 2]["target_case"]
    assert len({items[epoch, 2]["target_case"] for epoch in range(12)}) > 3
    assert items[0, 2, 1, 5]["target_case"] == items.targets[1, 5]["case"]


def test_workers_serve_the_same_rows():
    one, two = batches(opened(), 3), batches(opened(workers=1), 3)
    assert [b["target_case"] for b in one] == [b["target_case"] for b in two]
    assert all(torch.equal(a["target"], b["target"]) for a, b in zip(one, two, strict=True))
