"""Boxes drawn as centres and read back; the Gaussians' radius; overlaps removed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.box_utils import box_iou
from torch import Tensor

from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.centernet_decoding import decode
from ganatomy.tasks.detection.centernet_gaussians import radius, within
from ganatomy.tasks.detection.centernet_targets import Truth, TruthMaps, around, encode
from ganatomy.tasks.detection.views import mirrored_maps, softened

SHAPE = {2: (40, 56), 3: (24, 32, 16)}


def perfect(truth: Truth, stride: int) -> Maps:
    """What a generator without error gives: sides and offsets right at the centres, far off elsewhere."""
    centre = torch.logit(truth.centre.clamp(1e-6, 1 - 1e-6))
    size = torch.full_like(truth.spread, 3.0)
    offset = torch.full_like(truth.spread, 9.0)
    index = (truth.places[:, 0], slice(None), *truth.places[:, 1:].unbind(1))
    size[index], offset[index] = truth.size, truth.offset
    return Maps(centre, size, offset)


def there_and_back(boxes: list[Tensor], classes: list[Tensor], dims: int, stride: int) -> list:
    cells = [-(-side // stride) for side in SHAPE[dims]]
    truth = encode(boxes, classes, 3, cells, stride)
    return decode(softened(perfect(truth, stride)), stride, SHAPE[dims], nms_iou=0.9)


def at_borders(dims: int) -> tuple[Tensor, Tensor]:
    """In every corner of the image, reaching its edge; one that is a voxel wide; two that touch."""
    sides = np.array(SHAPE[dims], float)
    boxes = [np.r_[corner * (sides - 6), corner * (sides - 6) + 6] for corner in np.ndindex(*[2] * dims)]
    middle = np.floor(sides / 2)
    boxes += [np.r_[middle, middle + 1], np.r_[middle - 6, middle]]
    touching = np.r_[middle - 6, middle]
    touching[[0, dims]] += 6
    classes = torch.tensor([*[0] * 2**dims, 1, 0, 0])
    return torch.tensor(np.array([*boxes, touching]), dtype=torch.float32), classes


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_come_back_within_half_a_stride(dims, stride):
    boxes, classes = at_borders(dims)
    whole = torch.tensor([*[0.0] * dims, *SHAPE[dims]])[None]
    empty = torch.zeros(0, 2 * dims), torch.zeros(0, dtype=torch.long)
    images, kinds = [boxes, empty[0], whole], [classes, empty[1], torch.tensor([2])]
    found, nothing, filled = there_and_back(images, kinds, dims, stride)
    assert (filled.boxes[0] - whole).abs().max() < 1e-3 and filled.classes[0] == 2
    assert len(nothing.boxes) == 0 or nothing.scores.max() < 0.01
    for box, kind in zip(boxes, classes, strict=True):
        own = found.boxes[(found.classes == kind) & (found.scores > 0.99)]
        assert (own - box).abs().amax(1).min() <= stride / 2 + 1e-4, box
    assert (found.scores > 0.99).sum() == len(boxes)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([2, 3]), st.sampled_from([1, 2, 4]))
def test_random_boxes_come_back(seed, dims, stride):
    rng = np.random.default_rng(seed)
    sides = np.array(SHAPE[dims])
    low = rng.uniform(0, sides - 1, (5, dims))
    boxes = np.concatenate([low, np.minimum(low + rng.uniform(0.5, sides / 2, (5, dims)), sides)], 1)
    cells = ((boxes[:, :dims] + boxes[:, dims:]) / 2 // stride).astype(int)
    classes = rng.integers(0, 3, 5)
    near = np.abs(cells[:, None] - cells).max(2) + np.eye(5) * 9
    alike = classes[:, None] == classes
    apart = ~((near == 0) | (alike & (near == 1))).any(1)  # sides are one map, and peaks need a slope
    wanted = torch.tensor(boxes[apart], dtype=torch.float32)
    kinds = torch.tensor(classes[apart])
    (found,) = there_and_back([wanted], [kinds], dims, stride)
    for box, kind in zip(wanted, kinds, strict=True):
        assert (found.boxes[found.classes == kind] - box).abs().amax(1).min() < 1e-2


@pytest.mark.parametrize("dims", [2, 3])
def test_corners_within_the_radius_keep_the_overlap(dims):
    """At the radius the worst of the three cases has just that IoU; a hair further, less."""
    rng = np.random.default_rng(0)
    size = torch.tensor(rng.uniform(2, 40, (50, dims)), dtype=torch.float64)
    r = radius(size, 0.3)[:, None]
    box = torch.cat([torch.zeros_like(size), size], 1)
    worst = {}
    for name, stray in (("at", r), ("beyond", r * 1.02)):
        moved = [
            torch.cat([stray.expand_as(size), size + stray], 1),
            torch.cat([stray.expand_as(size), size - stray], 1),
            torch.cat([-stray.expand_as(size), size + stray], 1),
        ]
        ious = torch.stack(
            [
                torch.stack([box_iou(b[None], m[None])[0, 0] for b, m in zip(box, ms, strict=True)])
                for ms in moved
            ]
        )
        worst[name] = ious.min(0).values
    assert torch.allclose(worst["at"], torch.tensor(0.3, dtype=torch.float64), atol=1e-3)
    assert (worst["beyond"] < 0.3).all()


def test_centres_are_gaussians_of_the_paper_and_the_larger_value_holds():
    boxes = torch.tensor([[4.0, 4, 12, 12], [4, 10, 12, 18]])
    truth = encode([boxes], [torch.tensor([1, 1])], 3, (24, 24), 1)
    sigma = (2 * float(radius(torch.tensor([[8.0, 8.0]]))[0]) + 1) / 6
    y, x = np.mgrid[:24, :24]
    bumps = [np.exp(-((y - 8) ** 2 + (x - place) ** 2) / (2 * sigma**2)) for place in (8, 14)]
    assert np.allclose(truth.centre[0, 1], np.maximum(*bumps), atol=1e-6)
    assert truth.centre[0, 1, 8, 8] == truth.centre[0, 1, 8, 14] == 1
    assert truth.centre[0, [0, 2]].abs().max() == 0
    assert len(truth.places) == 18 and truth.size.tolist() == [[8, 8]] * 18
    assert torch.equal(truth.places[:, 1:] + truth.offset, torch.tensor([[8.0, 8]] * 9 + [[8.0, 14]] * 9))


def test_of_overlapping_boxes_of_a_class_the_weaker_goes():
    centre = torch.full((1, 2, 16, 16), -9.0)
    centre[0, 0, 8, 8], centre[0, 0, 8, 10], centre[0, 1, 8, 10] = 3.0, 2.0, 1.0
    maps = Maps(centre, torch.full((1, 2, 16, 16), 8.0), torch.zeros(1, 2, 16, 16))
    (found,) = decode(softened(maps), 1, (16, 16), nms_iou=0.5)
    assert found.classes.tolist() == [0, 1] and found.boxes[0].tolist() == [4, 4, 12, 12]
    (both,) = decode(softened(maps), 1, (16, 16), nms_iou=0.7)
    assert both.classes.tolist() == [0, 0, 1]
    (one,) = decode(softened(maps), 1, (16, 16), max_detections=1)
    assert len(one.boxes) == 1


def test_a_neighbour_of_a_peak_is_none():
    centre = torch.full((1, 1, 9, 9), -9.0)
    centre[0, 0, 4, 4], centre[0, 0, 4, 5] = 2.0, 1.9
    maps = Maps(centre, torch.ones(1, 2, 9, 9), torch.full((1, 2, 9, 9), 0.5))
    (found,) = decode(softened(maps), 2, (18, 18), nms_iou=0.99)
    assert found.boxes.tolist() == [[8, 8, 10, 10]]


def test_cells_beside_a_centre_are_taught_its_object() -> None:
    """In a corner four cells; of two centres side by side each keeps its own; `reach=0` is the paper's."""
    centres = torch.tensor([[0, 0], [5, 5], [5, 6]])
    taught, places = around(centres, (8, 8), 1)
    assert torch.bincount(taught).tolist() == [4, 8, 8]
    held = {kind: places[taught == kind].tolist() for kind in range(3)}
    assert held[0] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [5, 6] in held[2] and [5, 6] not in held[1] and [5, 5] in held[1] and [5, 5] not in held[2]
    taught, places = around(centres, (8, 8), 0)
    assert taught.tolist() == [0, 1, 2] and torch.equal(places, centres)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_encoded_as_its_images_alone(dims: int) -> None:
    """To the last bit; an image without objects is among them."""
    rng = np.random.default_rng(dims)
    boxes, classes = [], []
    for count in (3, 0, 1, 5):
        low = torch.tensor(rng.uniform(0, 14, (count, dims)), dtype=torch.float32)
        boxes.append(torch.cat([low, low + torch.tensor(rng.uniform(0.5, 9, (count, dims))).float()], 1))
        classes.append(torch.tensor(rng.integers(0, 3, count)))
    cells = [-(-side // 2) for side in SHAPE[dims]]
    together = encode(boxes, classes, 3, cells, 2)
    alone = [encode([box], [kind], 3, cells, 2) for box, kind in zip(boxes, classes, strict=True)]
    for name in ("centre", "spread", "size", "offset"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(each, name) for each in alone])), name
    for n, each in enumerate(alone):
        own = together.places[together.places[:, 0] == n]
        assert torch.equal(own[:, 1:], each.places[:, 1:])


def test_maps_of_a_batch_are_made_once_and_those_of_the_next_anew() -> None:
    maps, like = TruthMaps(1, 2), torch.zeros(1, 1, 8, 8)
    boxes, classes = [torch.tensor([[2.0, 2, 9, 9]])], [torch.tensor([0])]
    first = maps(boxes, classes, like)
    assert maps(boxes, classes, like) is first
    assert not torch.equal(maps([boxes[0] + 4], classes, like).centre, first.centre)


@pytest.mark.parametrize("side", [32, 30])
def test_maps_are_means_over_mirror_images_cell_on_cell(side: int) -> None:
    """Of a network that is right wherever it looks, nothing changes; one that knows the left from the right
    is averaged."""
    stride = 4
    box = torch.tensor([[5.0, 9, 15, 22]])

    def right(images: Tensor) -> Maps:
        seen = (images[0, 0] > 0).nonzero().float()
        own = torch.cat([seen.amin(0), seen.amax(0) + 1])[None]
        truth = encode([own], [torch.tensor([0])], 1, (8, 8), stride)
        return perfect(truth, stride)

    image = torch.zeros(1, 1, side, side)
    image[0, 0, 5:15, 9:22] = 1
    for axes in ([0], [1], [0, 1]):
        maps = mirrored_maps(right, image, stride, axes)
        (found,) = decode(softened(maps), stride, (side, side), max_detections=1)
        torch.testing.assert_close(found.boxes, box, atol=1e-4, rtol=0)
    ramp = torch.linspace(0, 1, 8)

    def leaning(images: Tensor) -> Maps:
        zeros = torch.zeros(1, 2, 8, 8)
        return Maps(torch.logit(zeros[:, :1] + 0.2 + 0.6 * ramp), zeros + ramp, zeros)

    maps = mirrored_maps(leaning, image, stride, [1])
    torch.testing.assert_close(maps.centre.sigmoid(), torch.full((1, 1, 8, 8), 0.5))
    torch.testing.assert_close(maps.size, torch.full((1, 2, 8, 8), 0.5))
    assert not maps.offset[:, 0].any() and (maps.offset[:, 1] == 0.5).all()


def test_ellipses_follow_the_sides_of_a_box() -> None:
    """TTFNet's: at 0.27 of a side from the centre, 3σ, e to the -4.5; the circle is as narrow as both."""
    box, label = torch.tensor([[8.0, 2, 56, 62]]), torch.tensor([0])
    truth = encode([box], [label], 1, (64, 64), 1, gaussian="ellipse")
    sigma = 0.54 * torch.tensor([48.0, 60]) / 6
    y, x = np.mgrid[:64, :64]
    expected = np.exp(-(((y - 32) / sigma[0].item()) ** 2 + ((x - 32) / sigma[1].item()) ** 2) / 2)
    assert np.allclose(truth.centre[0, 0], expected, atol=1e-6) and float(truth.centre[0, 0, 32, 32]) == 1
    least = encode([box / 64], [label], 1, (8, 8), 1, gaussian="ellipse").centre[0, 0]
    assert float(least[0, 1]) == pytest.approx(np.exp(-18), rel=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
def test_cells_within_the_gaussian_are_shared_out_and_every_object_counts_alike(dims: int) -> None:
    """Large and small, two of them touching: brute force over cells; weights of an object add up to 1/N."""
    centres = torch.tensor([[3, 3, 3], [7, 7, 7], [8, 7, 7]])[:, :dims]
    size = torch.tensor([[12.0, 9, 6], [2, 3, 4], [1, 5, 2]])[:, :dims]
    owner, places, divisors = within(centres, size, (12,) * dims)
    sigma = np.maximum(0.54 * size.numpy() / 6, 0.5)
    expected = {}
    for cell in np.ndindex(*[12] * dims):
        away = (np.array(cell) - centres.numpy()) / sigma
        best = int((away**2).sum(1).argmin())
        if (np.abs(away[best]) <= 3 + 1e-6).all():
            expected[cell] = best, float(np.exp(-(away[best] ** 2).sum() / 2))
    assert {tuple(p): o for p, o in zip(places.tolist(), owner.tolist(), strict=True)} == {
        cell: best for cell, (best, _) in expected.items()
    }
    for number in range(3):
        own = owner == number
        assert float((1 / divisors[own]).sum()) == pytest.approx(1 / 3, rel=1e-4)
        total = sum(weight for best, weight in expected.values() if best == number)
        for place, divisor in zip(places[own].tolist(), divisors[own].tolist(), strict=True):
            assert 1 / divisor == pytest.approx(expected[tuple(place)][1] / total / 3, rel=1e-3)
    counts = torch.bincount(owner)
    assert counts[0] > counts[1] > 3**dims - 2 * 3 ** (dims - 1)


def test_objects_with_one_centre_and_images_without_any_are_no_error() -> None:
    owner, _, divisors = within(torch.tensor([[2, 2], [2, 2]]), torch.tensor([[3.0, 3], [3, 3]]), (6, 6))
    assert set(owner.tolist()) == {0} and float((1 / divisors).sum()) == pytest.approx(1)
    empty = within(torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, 2), (6, 6))
    assert [len(each) for each in empty] == [0, 0, 0]
