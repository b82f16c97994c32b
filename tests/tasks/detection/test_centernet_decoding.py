"""Non-maximum suppression against MONAI's: the same boxes in the same order."""

from __future__ import annotations

import pytest
import torch
from monai.data.box_utils import batched_nms
from torch import Tensor

from ganatomy.tasks.detection import centernet_decoding
from ganatomy.tasks.detection.centernet_decoding import non_maximum_suppression


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
