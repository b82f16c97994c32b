"""Translated images against the target side as sets, with pairs and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.metrics.synthesis.scores import SetScores
from ganatomy.tasks.translation.scores.sets import TargetSets, on_sides, spread, target_images


def anatomy(count: int, seed: int, shift: float = 0.0, side: int = 32) -> Tensor:
    """Images [n, 1, side, side] of a disc with noise."""
    draw = torch.Generator().manual_seed(seed)
    places = torch.linspace(-1, 1, side)
    radius = (places[:, None] ** 2 + places**2).sqrt()
    return (radius < 0.7) * (0.5 + shift) + 0.1 * torch.randn(count, 1, side, side, generator=draw)


def case_batch(number: int, image: Tensor, target: Tensor | None = None) -> dict[str, Any]:
    pair = {} if target is None else {"target": target[None]}
    return {"case": [f"case {number}"], "image": image[None], **pair}


class Data:
    """Cases of a target side alone."""

    spatial_dims, sliced = 2, False

    def __init__(self, **images: Tensor) -> None:
        self.images = images
        self.records = {split: list(range(len(found))) for split, found in images.items()}

    def target_cases(self, split: str) -> list[tuple[str, int]]:
        return [(split, number) for number in range(len(self.images.get(split, ())))]

    def evaluated_target(self, record: tuple[str, int]) -> dict[str, Any]:
        return {"target": self.images[record[0]][record[1]].numpy()}


def filled(sets: TargetSets, fakes: Tensor, targets: Tensor | None = None, order: int = 1) -> TargetSets:
    for number in range(len(fakes))[::order]:
        batch = case_batch(number, fakes[number], None if targets is None else targets[number])
        sets.update("test", batch, [0], fakes[number : number + 1])
    return sets


def test_with_pairs_the_distances_are_those_of_synthesis() -> None:
    fakes, targets = anatomy(12, 0, 0.2), anatomy(12, 1)
    sets = filled(TargetSets(["test"]), fakes, targets)
    real, fake = sets.pools["test"].compute()
    expected = SetScores(real)(fake)
    found = sets.scores("test", "test", paired=True)
    assert found == {name: expected[name] for name in ("swd", "kid/random")}
    assert filled(sets, fakes, targets, order=-1).scores("test", "test", paired=True) == found
    assert all(value != value for value in sets.scores("test", "test", paired=True).values()), "begun anew"


def test_without_pairs_the_target_side_is_read() -> None:
    """The nearer set is nearer; the floor is that of training targets; another number of images is fine."""
    sets, data = TargetSets(["test", "identity"]), Data(test=anatomy(11, 1), train=anatomy(20, 2))
    sets.know(data, (32, 32))  # type: ignore[arg-type]
    near = filled(sets, anatomy(12, 3)).scores("test", "test", paired=False)
    far = filled(sets, anatomy(12, 3, 0.4)).scores("test", "test", paired=False)
    floor = sets.floor("test", paired=False)
    assert near["swd"] < far["swd"] / 3 and near["kid/random"] < far["kid/random"] / 3
    assert floor["swd"] == pytest.approx(near["swd"], rel=0.3)
    assert SetScores(anatomy(11, 1))(spread(anatomy(20, 2), 11))["swd"] == pytest.approx(floor["swd"])


@pytest.mark.parametrize("count", [2, 9, 10])
def test_a_kernel_distance_needs_ten_images(count: int) -> None:
    sets = TargetSets(["test"])
    sets.know(Data(test=anatomy(count, 1)), (32, 32))  # type: ignore[arg-type]
    found = filled(sets, anatomy(12, 3)).scores("test", "test", paired=False)
    assert np.isfinite(found["swd"]) and np.isfinite(found["kid/random"]) == (count >= 10)


def test_a_side_without_images_leaves_them_undefined() -> None:
    sets = TargetSets(["test"])
    sets.know(Data(test=anatomy(1, 1)), (32, 32))  # type: ignore[arg-type]
    found = filled(sets, anatomy(4, 3)).scores("test", "test", paired=False)
    assert set(found) == {"swd", "kid/random"} and all(value != value for value in found.values())
    assert sets.floor("test", paired=False) == {}, "no training images, as in evaluate"
    assert list(target_images(Data(test=anatomy(1, 1)), "val")) == []  # type: ignore[arg-type]


def test_volumes_and_other_sides_count_by_their_middle() -> None:
    image = torch.arange(2 * 5 * 8).float().reshape(1, 2, 5, 8)
    assert torch.equal(on_sides(image, (3, 4)), image[:, :, 1:4, 2:6])
    wide = on_sides(image, (7, 4))
    assert wide.shape == (1, 2, 7, 4) and torch.equal(wide[:, :, 0], wide[:, :, 1])
    sets = TargetSets(["test"])
    for number, side in enumerate((20, 24, 16)):
        volume = anatomy(1, number, side=side)[0, :, :, :, None].expand(-1, -1, -1, 20).contiguous()
        sets.update("test", case_batch(number, volume, volume + 0.1), [0], volume[None])
    real, _ = sets.pools["test"].compute()
    assert real.shape == (3, 3, 20, 20), "three planes of each, on the sides of the first"
    assert sets.scores("test", "test", paired=True)["swd"] > 0
