"""Overlap and surface distances against MONAI, brute force, closed forms and planted spheres."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
)
from scipy.ndimage import binary_erosion, distance_transform_edt
from torch import Tensor
from torch.nn.functional import one_hot

from ganatomy.metrics.labelmaps import SCORES, confusion, diagonal, dice, iou, score_volume, surface_distances

SPACING = (1.0, 0.5, 2.5)


def blobs(seed: int, shape: tuple[int, ...] = (14, 15, 13), classes: int = 3) -> Tensor:
    """A random label map in which each class forms connected lumps."""
    noise = torch.rand((classes, *shape), generator=torch.Generator().manual_seed(seed))
    pool = torch.nn.AvgPool3d if len(shape) == 3 else torch.nn.AvgPool2d
    return pool(5, 1, 2)(noise).argmax(0)


def ball(
    shape: tuple[int, ...], centre: tuple[float, ...], radius: float, spacing: tuple[float, ...]
) -> Tensor:
    axes = [(torch.arange(n) * s - c) ** 2 for n, s, c in zip(shape, spacing, centre, strict=True)]
    return sum(torch.meshgrid(*axes, indexing="ij")) <= radius**2


def hot(labels: Tensor, classes: int = 3) -> Tensor:
    return one_hot(labels, classes).movedim(-1, 0)[None]


@pytest.mark.parametrize("shape", [(14, 15, 13), (24, 31)])
def test_all_scores_equal_monais(shape: tuple[int, ...]) -> None:
    truth, prediction = blobs(1, shape), blobs(2, shape)
    spacing = SPACING[: len(shape)]
    ours = score_volume(prediction, truth, 3, spacing, labels=(1, 2), tolerance=1.5)
    p, t = hot(prediction), hot(truth)
    reference = torch.cat(
        [
            compute_dice(p, t, include_background=False),
            compute_iou(p, t, include_background=False),
            compute_hausdorff_distance(p, t, percentile=95, spacing=spacing),
            compute_average_surface_distance(p, t, symmetric=True, spacing=spacing),
            compute_surface_dice(p, t, [1.5, 1.5], spacing=spacing),
        ]
    ).double()
    assert ours.shape == (len(SCORES), 2)
    torch.testing.assert_close(ours, reference, rtol=1e-6, atol=1e-6)


def test_surface_distances_equal_a_distance_transform() -> None:
    a, b = blobs(3) == 1, blobs(4) == 1
    there, back = surface_distances(a, b, SPACING)
    edge_a, edge_b = (m.numpy() & ~binary_erosion(m.numpy()) for m in (a, b))
    to_b = distance_transform_edt(~edge_b, sampling=SPACING)[edge_a]
    to_a = distance_transform_edt(~edge_a, sampling=SPACING)[edge_b]
    torch.testing.assert_close(there.sort()[0], torch.tensor(to_b).sort()[0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(back.sort()[0], torch.tensor(to_a).sort()[0], rtol=1e-6, atol=1e-6)


def test_a_shifted_ball_is_as_far_off_as_it_was_shifted() -> None:
    """Shift d along one axis: the largest surface distance is d, and no axis is mistaken for another."""
    shape, spacing = (24, 40, 12), (1.0, 0.5, 2.0)
    middle = (11.5, 9.75, 11.0)
    truth = ball(shape, middle, 6.0, spacing)
    for axis, steps in enumerate((3, 4, 1)):
        moved = truth.roll(steps, axis)
        there, back = surface_distances(moved, truth, spacing)
        assert there.max() == pytest.approx(steps * spacing[axis])
        assert back.max() == pytest.approx(steps * spacing[axis])


def test_concentric_balls_are_the_difference_of_their_radii_apart() -> None:
    shape, spacing = (48, 48, 24), (0.5, 0.5, 1.0)
    centre = (11.75, 11.75, 11.5)
    small, large = (ball(shape, centre, r, spacing) for r in (5.0, 8.0))
    scores = score_volume(small.long(), large.long(), 2, spacing, labels=(1,))
    values = dict(zip(SCORES, scores[:, 0].tolist(), strict=True))
    assert values["asd"] == pytest.approx(3.0, abs=0.3)
    assert values["hd95"] == pytest.approx(3.0, abs=0.5)
    assert values["dice"] == pytest.approx(2 * 5**3 / (5**3 + 8**3), abs=0.02)
    assert values["nsd"] == 0.0


def test_halving_the_spacing_halves_the_distances() -> None:
    truth, prediction = blobs(5), blobs(6)
    full = score_volume(prediction, truth, 3, (2.0, 2.0, 2.0), (1, 2), tolerance=2.0)
    half = score_volume(prediction, truth, 3, (1.0, 1.0, 1.0), (1, 2), tolerance=1.0)
    torch.testing.assert_close(full[2:4], 2 * half[2:4])
    torch.testing.assert_close(full[[0, 1, 4]], half[[0, 1, 4]])


@pytest.mark.parametrize("swap", [False, True])
def test_a_class_in_one_map_only_costs_the_diagonal(swap: bool) -> None:
    some, none = torch.zeros(5, 6, 7, dtype=torch.long), torch.zeros(5, 6, 7, dtype=torch.long)
    some[2, 2, 2] = 1
    prediction, truth = (none, some) if swap else (some, none)
    scores = score_volume(prediction, truth, 2, SPACING, labels=(1,))[:, 0]
    far = math.sqrt(4**2 + 2.5**2 + 15**2)
    assert diagonal((5, 6, 7), SPACING) == pytest.approx(far)
    torch.testing.assert_close(scores, torch.tensor([0, 0, far, far, 0], dtype=torch.double))


def test_a_class_in_neither_map_is_not_counted() -> None:
    empty = torch.zeros(5, 6, dtype=torch.long)
    assert score_volume(empty, empty, 2, (1, 1), labels=(1,)).isnan().all()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_overlap_counts_voxels(data: st.DataObject) -> None:
    """Dice and IoU from Python sets, and IoU = Dice / (2 - Dice)."""
    values = st.lists(st.integers(0, 2), min_size=20, max_size=20)
    prediction, truth = torch.tensor(data.draw(values)), torch.tensor(data.draw(values))
    ours = dice(prediction, truth, 3)
    assert confusion(prediction, truth, 3).sum() == 20
    for label in range(3):
        a, b = ({i for i, v in enumerate(m.tolist()) if v == label} for m in (prediction, truth))
        if a or b:
            assert ours[label] == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
    torch.testing.assert_close(iou(prediction, truth, 3), ours / (2 - ours), equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": torch.zeros(4, 5, dtype=torch.long)}, r"\(4, 5\) and truth \(4, 4\) differ in shape"),
        ({"prediction": torch.full((4, 4), 3)}, "prediction holds labels 3 to 3: 2 classes allow 0 to 1"),
        ({"truth": torch.full((4, 4), -1)}, "truth holds labels -1 to -1"),
        ({"spacing": (1.0, 1.0, 1.0)}, "does not fit a volume of 2 axes"),
        ({"spacing": (1.0, 0.0)}, "give each a positive mm"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    fine = {
        "prediction": torch.zeros(4, 4, dtype=torch.long),
        "truth": torch.zeros(4, 4, dtype=torch.long),
        "classes": 2,
        "spacing": (1.0, 1.0),
        "labels": (1,),
    }
    with pytest.raises(ValueError, match=message):
        score_volume(**(fine | change))


def plainly_scored(ours: torch.Tensor, theirs: torch.Tensor, label: int) -> list[float]:
    a, b = ours.numpy() == label, theirs.numpy() == label
    both, either = (a & b).sum(), (a | b).sum()
    return [2 * both / (a.sum() + b.sum()), both / either] if either else [float("nan")] * 2


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.int16])
@pytest.mark.parametrize("classes", [2, 5, 16, 17])
def test_pairs_of_labels_are_counted_one_by_one(classes: int, kind: torch.dtype) -> None:
    """Few and many classes, label maps that are empty, full, of one voxel, or in one corner."""
    draw = torch.Generator().manual_seed(classes)
    shape = (7, 9, 5)
    noise = torch.randint(0, classes, shape, generator=draw)
    corner, voxel = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    corner[:2, :3, :1], voxel[3, 4, 2] = noise[:2, :3, :1], classes - 1
    maps = [noise, noise.flip(0), corner, voxel, torch.zeros_like(noise), torch.full(shape, classes - 1)]
    for ours in maps:
        for theirs in maps:
            expected = torch.zeros(classes, classes, dtype=torch.long)
            expected.index_put_(
                (theirs.flatten(), ours.flatten()), torch.ones(1, dtype=torch.long), accumulate=True
            )
            assert torch.equal(confusion(ours.to(kind), theirs.to(kind), classes), expected)
            label = classes - 1
            found = score_volume(ours.to(kind), theirs.to(kind), classes, (1, 1, 1), [label])[:2, 0]
            assert found.tolist() == pytest.approx(plainly_scored(ours, theirs, label), nan_ok=True)


def test_labels_of_a_background_that_is_scored_reach_the_border() -> None:
    """The background is no smaller than the volume: its surface includes the border of the image."""
    truth = torch.zeros(9, 8, 7, dtype=torch.long)
    truth[3:6, 3:5, 2:5] = 1
    ours = truth.roll(1, 0)
    found = score_volume(ours, truth, 2, (1, 2, 1), [0, 1])
    swapped = score_volume(1 - ours, 1 - truth, 2, (1, 2, 1), [1, 0])
    assert torch.equal(found, swapped) and found[3, 0] < found[3, 1]
