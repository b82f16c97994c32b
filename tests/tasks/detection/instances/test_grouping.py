"""Targets and grouping: a planted map comes back from its own maps; what is unknown has no part in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganatomy.data.sources.blobs.cells import Cells
from ganatomy.data.sources.blobs.nodules import Nodules
from ganatomy.data.transforms.instances import NO_BOX
from ganatomy.metrics.detection.instances import common, jaccard
from ganatomy.networks.image_to_image.centernet import InstanceMaps
from ganatomy.tasks.detection.instances.grouping import grouped
from ganatomy.tasks.detection.instances.soft import soft_maps
from ganatomy.tasks.detection.instances.targets import encode, foreground_loss, vote_loss

SOURCES = {
    2: Cells(subjects=3, size=96, objects=(12, 25)),
    3: Nodules(subjects=3, size=33, radius=(5.0, 7.0), vessels=0),
}


def planted(dims: int, subject: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    source = SOURCES[dims]
    case = source.load(source.records()[subject])
    return torch.from_numpy(case["instances"])[None], torch.from_numpy(case["boxes"])


@pytest.mark.parametrize(("stride", "least"), [(1, 0.999), (2, 0.85), (4, 0.6)])
@pytest.mark.parametrize("dims", [2, 3])
def test_true_maps_are_grouped_to_the_true_objects(dims, stride, least):
    for subject in range(2):
        numbers, boxes = planted(dims, subject)
        truth = encode(numbers, [boxes], stride)
        shape = numbers.shape[2:]
        assert truth.share.shape[2:] == tuple(-(-side // stride) for side in shape)
        found = grouped(truth.share[0], truth.vote[0], boxes, stride, shape)
        inter, union = jaccard(common(numbers[0, 0].numpy(), found.numpy()))
        assert found.shape == shape and inter / union > least


def test_boxes_in_another_order_give_the_same_objects_renumbered():
    numbers, boxes = planted(2)
    truth = encode(numbers, [boxes], 2)
    order = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(0))
    first, second = (
        grouped(truth.share[0], truth.vote[0], b, 2, numbers.shape[2:]) for b in (boxes, boxes[order])
    )
    table = torch.cat([torch.zeros(1, dtype=torch.long), order + 1])
    assert torch.equal(table[second.long()].int(), first)


def test_voxels_far_from_every_box_are_background_and_no_box_is_no_object():
    foreground, vote = torch.ones(1, 20, 20), torch.zeros(2, 20, 20)
    boxes = torch.tensor([[2.0, 2, 6, 6]])
    found = grouped(foreground, vote, boxes, 1, (20, 20))
    assert sorted(map(tuple, found.nonzero().tolist())) == [(y, x) for y in range(1, 7) for x in range(1, 7)]
    assert not grouped(foreground, vote, boxes[:0], 1, (20, 20)).any()
    assert not grouped(foreground * 0.4, vote, boxes, 1, (20, 20)).any()


def test_votes_decide_between_neighbours_where_the_foreground_is_one():
    """A border that is nearer to the wrong centre: the votes know better than the distance does."""
    numbers = torch.zeros(1, 1, 12, 24, dtype=torch.int32)
    numbers[..., 2:10, 2:16], numbers[..., 2:10, 16:20] = 1, 2
    boxes = torch.tensor([[2.0, 2, 10, 16], [2.0, 16, 10, 20]])
    truth = encode(numbers, [boxes], 1)
    assert torch.equal(grouped(truth.share[0], truth.vote[0], boxes, 1, (12, 24)), numbers[0, 0])
    blind = grouped(truth.share[0], truth.vote[0] * 0, boxes, 1, (12, 24))
    assert int((blind != numbers[0, 0]).sum()) >= 8


def test_unknown_voxels_have_no_gradient_and_no_share():
    numbers, boxes = planted(2)
    logits = torch.zeros(1, 1, 48, 48, requires_grad=True)
    hidden = torch.where(numbers == 1, NO_BOX, numbers)
    truth = encode(hidden, [boxes], 2)
    foreground_loss(logits, truth).backward()
    assert torch.equal(logits.grad != 0, truth.valid) and not truth.valid.all()
    wild = torch.where(truth.valid, logits.detach(), 50.0)
    assert float(foreground_loss(wild, truth)) == float(foreground_loss(logits.detach(), truth))
    assert not truth.inside[torch.nn.functional.avg_pool2d((numbers == 1).float(), 2) == 1].any()


def test_losses_vanish_at_the_truth_and_are_means_over_images():
    pairs = [planted(2, subject) for subject in range(2)]
    numbers, boxes = torch.cat([n for n, _ in pairs]), [b for _, b in pairs]
    truth = encode(numbers, boxes, 1)
    sure = torch.where(truth.share > 0, 40.0, -40.0)
    assert float(foreground_loss(sure, truth)) < 1e-3 and float(vote_loss(truth.vote, truth)) == 0
    each = [encode(n, [b], 1) for n, b in pairs]
    for loss, maps in ((foreground_loss, sure * 0.02), (vote_loss, truth.vote + 1)):
        alone = torch.stack([loss(maps[k : k + 1], one) for k, one in enumerate(each)])
        assert float(loss(maps, truth)) == pytest.approx(float(alone.mean()), rel=1e-6)
    assert float(vote_loss(truth.vote + 1, truth)) == pytest.approx(2)
    empty = encode(numbers * 0, [b[:0] for b in boxes], 1)
    assert float(vote_loss(truth.vote, empty)) == 0


def turned(numbers: torch.Tensor, boxes: torch.Tensor) -> InstanceMaps:
    truth = encode(numbers, [boxes], 2)
    zeros = torch.zeros_like(truth.vote)
    return InstanceMaps(truth.share * 8 - 4, zeros + 3, zeros + 0.25, truth.share * 8 - 4, truth.vote)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_mirror_images_of_a_network_that_mirrors_agree(axes):
    """A stand-in that reads the map out of its input: the mean over mirror images is the answer itself."""
    numbers, _ = planted(2)

    def network(images: torch.Tensor) -> InstanceMaps:
        seen = images.int()
        places = [(seen[0, 0] == n).nonzero() for n in range(1, int(seen.max()) + 1)]
        boxes = torch.stack([torch.cat([p.min(0).values, p.max(0).values + 1]) for p in places]).float()
        maps = turned(seen, boxes)
        inside = maps.foreground > -4
        return maps._replace(vote=maps.vote * inside, offset=torch.full_like(maps.offset, 0.5))

    plain, mean = (soft_maps(network, numbers.float(), 2, over) for over in ((), axes))
    for name, one, other in zip(plain._fields, plain, mean, strict=True):
        assert torch.allclose(one, other, atol=1e-4), name


def test_windows_of_a_large_image_are_blended_to_the_whole():
    calls = []

    def network(images: torch.Tensor) -> InstanceMaps:
        calls.append(images.shape[2:])
        small = torch.nn.functional.avg_pool2d(images, 2)
        both = torch.cat([small, small], 1)
        return InstanceMaps(small, both + 1, both * 0 + 0.5, small, both)

    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 50, 70)).astype(np.float32))
    whole, parts = (soft_maps(network, image, 2, (), window) for window in (None, (32, 32)))
    assert set(calls[1:]) == {(32, 32)}
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
