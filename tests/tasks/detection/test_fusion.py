"""Weighted boxes fusion: closed forms; views in which an object is missing; dense objects."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.detection.fusion import fused


def view(boxes: list[list[float]], scores: list[float], classes: list[int] | None = None) -> Found:
    dims = len(boxes[0]) if boxes else 4
    kinds = torch.tensor(classes or [0] * len(boxes), dtype=torch.long)
    return Found(torch.tensor(boxes, dtype=torch.float32).reshape(-1, dims), torch.tensor(scores), kinds)


def test_boxes_are_means_weighted_by_score_and_scores_plain_means() -> None:
    found = fused([view([[0, 0, 10, 10]], [0.9]), view([[2, 0, 10, 12]], [0.3])], 0.5, 10)
    torch.testing.assert_close(found.boxes, torch.tensor([[0.5, 0, 10, 10.5]]))
    torch.testing.assert_close(found.scores, torch.tensor([0.6]))


def test_a_box_that_one_view_of_four_tells_keeps_a_quarter_of_its_score() -> None:
    empty = view([], [])
    found = fused([view([[0, 0, 10, 10]], [0.8]), empty, empty, empty], 0.5, 10)
    torch.testing.assert_close(found.scores, torch.tensor([0.2]))
    assert found.boxes.tolist() == [[0, 0, 10, 10]]


def test_more_boxes_than_views_raise_no_score() -> None:
    """Two boxes of one view in a group of three, of two views: min(3, 2) / 2."""
    found = fused(
        [view([[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.6]), view([[0, 0, 10, 10]], [0.6])], 0.5, 10
    )
    assert len(found.scores) == 1
    torch.testing.assert_close(found.scores, torch.tensor([0.7]))


def test_a_box_joins_the_group_that_it_overlaps_most_by_its_mean() -> None:
    """The third overlaps the second by more than the first; the fourth, nothing."""
    first = view([[0, 0, 10, 10], [6, 0, 16, 10]], [0.9, 0.8])
    second = view([[5, 0, 15, 10], [40, 40, 50, 50]], [0.7, 0.6])
    found = fused([first, second], 0.3, 10)
    assert len(found.boxes) == 3
    torch.testing.assert_close(
        found.boxes[0], torch.tensor([(6 * 0.8 + 5 * 0.7) / 1.5, 0, 16 - 0.7 / 1.5, 10])
    )
    torch.testing.assert_close(found.scores, torch.tensor([0.75, 0.45, 0.3]))


def test_classes_stay_apart_and_the_best_are_kept() -> None:
    both = view([[0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 30, 9]], [0.9, 0.8, 0.1], [1, 0, 1])
    found = fused([both, both], 0.5, 2)
    assert found.classes.tolist() == [1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8]))


def test_volumes_are_fused_and_nothing_stays_nothing() -> None:
    boxes = [[0.0, 0, 0, 8, 8, 8]]
    found = fused([view(boxes, [0.5]), view([[0.0, 0, 2, 8, 8, 8]], [0.5])], 0.5, 10)
    assert found.boxes.tolist() == [[0, 0, 1, 8, 8, 8]] and found.boxes.dtype == torch.float32
    nothing = fused([view([], []), view([], [])], 0.5, 10)
    assert nothing.boxes.shape == (0, 4) and nothing.classes.dtype == torch.long


def test_noise_of_views_averages_out() -> None:
    """150 touching boxes, four views with errors of their own: the fused ones are twice as near the truth."""
    draw = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(10.0), torch.arange(15.0), indexing="ij")
    low = torch.stack([rows.flatten(), columns.flatten()], 1) * 16
    truth = torch.cat([low, low + 16], 1)

    def noisy() -> Tensor:
        return truth + torch.randn(truth.shape, generator=draw)

    kinds, scores = torch.zeros(150, dtype=torch.long), torch.full((150,), 0.5)
    views = [Found(noisy(), scores, kinds) for _ in range(4)]
    found = fused(views, 0.5, 300)
    nearest = torch.cdist(truth, found.boxes).min(1).values
    alone = torch.cdist(truth, views[0].boxes).min(1).values
    assert len(found.boxes) == 150 and 0.4 < float(nearest.mean() / alone.mean()) < 0.6


def test_boxes_and_scores_are_those_of_the_published_package() -> None:
    """Answers of ensemble-boxes 1.0.9, `weighted_boxes_fusion` (avg, IoU 0.5), to three views of 100 x 100.

    300 random sets of one to five views agreed to 1.4e-7 of the image (the package counts in float32).
    """
    views = [
        view(
            [[10, 10, 30, 34], [50, 12, 70, 40], [12, 60, 28, 80], [61, 60, 90, 88]],
            [0.91, 0.55, 0.72, 0.40],
            [0, 1, 0, 1],
        ),
        view(
            [[12, 9, 31, 32], [16, 12, 36, 34], [52, 10, 71, 42], [11, 63, 30, 81]],
            [0.85, 0.30, 0.64, 0.20],
            [0, 0, 1, 1],
        ),
        view(
            [[9, 11, 29, 35], [58, 14, 78, 44], [13, 58, 27, 79], [60, 62, 88, 90], [2, 2, 8, 9]],
            [0.77, 0.48, 0.66, 0.52, 0.15],
            [0, 1, 0, 1, 0],
        ),
    ]
    published = [
        ([10.9647, 10.1837, 30.6643, 33.6714], 0.7075, 0),
        ([12.4783, 59.0435, 27.5217, 79.5217], 0.46, 0),
        ([51.0756, 10.9244, 70.5378, 41.0756], 0.396667, 1),
        ([60.4348, 61.1304, 88.8696, 89.1304], 0.306667, 1),
        ([58.0, 14.0, 78.0, 44.0], 0.16, 1),
        ([11.0, 63.0, 30.0, 81.0], 0.066667, 1),
        ([2.0, 2.0, 8.0, 9.0], 0.05, 0),
    ]
    found = fused(views, 0.5, 10)
    boxes, scores, classes = zip(*published, strict=True)
    torch.testing.assert_close(found.boxes, torch.tensor(boxes), atol=2e-4, rtol=0)
    torch.testing.assert_close(found.scores, torch.tensor(scores), atol=1e-6, rtol=0)
    assert found.classes.tolist() == list(classes)
