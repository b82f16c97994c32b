"""Degraded pairs in the loaders: new noise each epoch in training, the same noise in evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.brain import Brain
from ganatomy.degradations.noise import Gaussian, Rician
from ganatomy.degradations.resolution import Downsample


def module(degrade: Any = None, seed: int = 0, **more: Any) -> DataModule:
    brain = Brain(subjects=6, size=16, slices=3, **more)
    return DataModule(brain, batch_size=4, seed=seed, degrade=degrade)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_clean_image_is_the_target(dims: Any) -> None:
    clean, noisy = (
        next(iter(module(degrade, spatial_dims=dims).test_dataloader())) for degrade in (None, Rician(0.2))
    )
    assert torch.equal(noisy["target"], clean["image"])
    assert noisy["image"].shape == clean["image"].shape and noisy["image"].dtype == torch.float32
    assert 0.1 < float((noisy["image"] - noisy["target"]).std()) < 0.3
    assert noisy["offset"].shape == noisy["scale"].shape == (len(noisy["image"]), 1)


def test_training_noise_is_new_each_epoch_and_follows_from_the_seed() -> None:
    items, again, other = (module(Rician(0.2), seed).train_items() for seed in (0, 0, 1))
    first = items[0, 1]
    assert torch.equal(first["image"], again[0, 1]["image"])
    assert torch.equal(first["target"], items[1, 1]["target"])  # no augmentation here
    for another in (items[1, 1], other[0, 1]):
        assert not torch.equal(first["image"], another["image"])
    noise = [(items[0, i]["image"] - items[0, i]["target"]).flatten() for i in (0, 1)]
    assert not torch.equal(*noise)


def test_evaluation_noise_follows_from_the_data_and_not_from_the_seed_of_training() -> None:
    """Runs of several seeds are compared on the same test images; another split is another test."""
    degrade = Rician(0.2)
    first, again, other = (
        {b["case"][0]: b["image"] for b in module(degrade, seed).test_dataloader()} for seed in (0, 0, 1)
    )
    one = module(degrade)
    assert all(torch.equal(b["image"], first[b["case"][0]]) for _ in range(2) for b in one.test_dataloader())
    dealt = DataModule(Brain(subjects=6, size=16, slices=3), batch_size=4, split_seed=1, degrade=degrade)
    dealt.setup()
    everywhere = [record for records in dealt.records.values() for record in records]
    for case, image in first.items():
        assert torch.equal(image, again[case]) and torch.equal(image, other[case])
        record = next(record for record in everywhere if record.case == case)
        assert not np.array_equal(dealt.evaluated(record)["image"], image.numpy())


def test_every_case_has_noise_of_its_own() -> None:
    data = module(Gaussian(0.2))
    batches = [next(iter(loader)) for loader in (data.val_dataloader(), data.test_dataloader())]
    noises = [batch["image"] - batch["target"] for batch in batches]
    assert float((noises[0] - noises[1]).std()) == pytest.approx(0.2 * 2**0.5, rel=0.1)


def test_a_pair_of_the_data_set_stays() -> None:
    rows = []
    for degrade in (None, Rician(0.2)):
        data = module(degrade)
        load = data.source.load
        data.source.load = lambda record, load=load: (case := load(record)) | {"target": case["image"] * 2}
        rows.append((data.train_items()[0, 0], next(iter(data.val_dataloader()))))
    for plain, degraded in zip(*rows, strict=True):
        assert torch.equal(plain["image"], degraded["image"])
        assert torch.equal(plain["target"], degraded["target"])
        assert not torch.equal(plain["image"], plain["target"])


def test_the_way_back_to_the_images_own_units() -> None:
    """image * scale + offset is what the scanner gave, also of the target."""
    data = module(Downsample(2))
    record = data.splitting(data.source.records())[0]
    own = data.source.load(record)["image"]
    data.setup()
    place = [r.case for r, _ in data.train_items().places].index(record.case)
    item = data.train_items()[0, place]
    z = int(item["slice"])
    np.testing.assert_allclose(
        (item["target"] * item["scale"] + item["offset"]).numpy()[0], own[0, :, :, z], rtol=1e-5, atol=1e-3
    )
