"""Non-maximum suppression against MONAI's: the same boxes in the same order."""

from __future__ import annotations

import pytest
import torch
from monai.data.box_utils import batched_nms
from torch import Tensor

from ganatomy.tasks.detection import centernet_decoding
from ganatomy.tasks.detection.centernet_decoding import decode, non_maximum_suppression, voted
from ganatomy.tasks.detection.views import SoftMaps


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes in 2D or 3D on whole numbers or not, some of them twice, few or many scores, up to 3 classes."""
    draw = torch.Generator().manual_seed(seed)
    dims, count = 2 + seed % 2, int(torch.randint(1, 90, (1,), generator=draw))
    low = torch.rand(count, dims, generator=draw) * 30
    low = low.round() if seed % 3 == 0 else low
    boxes = torch.cat([low, low + (torch.rand(count, dims, generator=draw) * 15).round() + 1], 1)
    boxes[count // 2 :] = boxes[: count - count // 2].clone() if seed % 5 == 0 else boxes[count // 2 :]
    levels = (3, 10, 100_000)[seed % 3]
    scores = torch.randint(0, levels, (count,), generator=draw) / levels
    return boxes, scores, torch.randint(0, 1 + seed % 3, (count,), generator=draw)


@pytest.mark.parametrize("boxes_at_once", [centernet_decoding.BOXES, 5])
def test_kept_boxes_are_monais(boxes_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centernet_decoding, "BOXES", boxes_at_once)
    dropped = 0
    for seed in range(120):
        given, least = drawn(seed), (0.5, 0.3, 1 / 3)[seed % 3]
        kept = non_maximum_suppression(*given, least)
        assert torch.equal(kept, batched_nms(*given, least)), seed
        dropped += len(given[0]) - len(kept)
    assert dropped > 300


def test_an_overlap_of_exactly_the_limit_drops_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 2], [2, 0, 6, 2], [0, 0, 4, 2]])
    scores, classes = torch.tensor([0.5, 0.5, 0.5]), torch.zeros(3, dtype=torch.long)
    for least, expected in ((1 / 3 + 1e-6, [0, 1]), (0.3, [0])):
        assert non_maximum_suppression(boxes, scores, classes, least).tolist() == expected
    others = torch.tensor([0, 1, 2])
    assert non_maximum_suppression(boxes, scores, others, 0.3).tolist() == [0, 1, 2]


def planted(dims: int, noise: float = 0.0) -> SoftMaps:
    """Two objects of 6 cells a side, 5 cells apart; every cell around a centre tells its box, with errors."""
    draw = torch.Generator().manual_seed(dims)
    sides = [24] * dims
    presence, size = torch.full((1, 1, *sides), 0.001), torch.full((1, dims, *sides), 6.0)
    offset = torch.zeros(1, dims, *sides)
    steps = torch.arange(-1, 2)
    for middle in (8, 13):
        for step in torch.cartesian_prod(*[steps] * dims):
            cell = (slice(None), slice(None), *(middle + step).tolist())
            presence[cell] = 0.9 if not step.any() else 0.5
            offset[cell] = 0.5 - step
    size += noise * torch.randn(size.shape, generator=draw)
    return SoftMaps(presence, size, offset + noise * torch.randn(size.shape, generator=draw))


@pytest.mark.parametrize("dims", [2, 3])
def test_votes_of_the_cells_around_a_peak_average_its_errors_out(dims: int) -> None:
    peaks, label = torch.tensor([[[8] * dims, [13] * dims]]), torch.zeros(1, 2, dtype=torch.long)
    truth = torch.tensor(
        [[[middle + 0.5 + sign * 3 for sign in (-1, 1) for _ in range(dims)] for middle in (8, 13)]]
    )
    torch.testing.assert_close(voted(planted(dims), peaks, label), truth)
    errors = {True: 0.0, False: 0.0}
    for vote in errors:
        (found,) = decode(planted(dims, 0.3), 1, [24] * dims, min_score=0.6, vote=vote)
        order = found.boxes[:, 0].argsort()
        errors[vote] = float((found.boxes[order] - truth[0]).abs().mean())
    assert len(found.boxes) == 2 and errors[True] < 0.7 * errors[False]


def test_a_vote_for_another_object_or_from_outside_does_not_count() -> None:
    """A cell beside the peak tells of a box far away; the peak is in the corner of the image."""
    maps = planted(2)
    maps.offset[0, :, 8, 9] = 6.0
    corner = SoftMaps(*(part[..., 8:, 8:] for part in maps))
    truth = torch.tensor([[[-2.5, -2.5, 3.5, 3.5]]])
    found = voted(corner, torch.zeros(1, 1, 2, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long))
    torch.testing.assert_close(found, truth)
    dead = SoftMaps(torch.zeros_like(corner.presence), corner.size, corner.offset)
    found = voted(dead, torch.zeros(1, 1, 2, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long))
    torch.testing.assert_close(found, truth)
