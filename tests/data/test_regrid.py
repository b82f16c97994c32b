"""Grids against MONAI's transforms and against planted pictures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Orientation

from ganatomy.data.regrid import Grid, fitted, regrid, respaced, turned
from ganatomy.data.transforms.boxes import move_boxes
from ganatomy.errors import UserError

CODES = [a + b + c for a in "RL" for b in "AP" for c in "SI"] + ["PLS", "SRA", "ILP", "AIR"]


def oblique(seed: int = 0) -> np.ndarray:
    """An affine turned by a third of a right angle, with unequal spacings and a flip."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.eye(3) + 0.3 * rng.standard_normal((3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, -1.3, 2.5])
    affine[:3, 3] = [-40, 12, 7]
    return affine


@pytest.mark.parametrize("codes", CODES)
def test_orientation_is_monais_and_reversible(codes):
    volume = np.random.default_rng(0).integers(-1000, 3000, (1, 5, 6, 7)).astype(np.int16)
    source = Grid(oblique(), (5, 6, 7))
    target = turned(source, codes)
    ours = regrid(volume, source, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Orientation(axcodes=codes)(
            MetaTensor(torch.from_numpy(volume.astype(np.float64)), affine=oblique())
        )
    assert np.array_equal(ours, theirs.numpy().astype(np.int16))
    assert np.allclose(target.affine, theirs.affine.numpy())
    assert np.array_equal(regrid(ours, target, source), volume)


@pytest.mark.parametrize("codes", ["RA", "RAR", "XYZ", "RRS", ""])
def test_impossible_orientations_are_refused(codes):
    with pytest.raises(UserError, match=r"data\.orientation"):
        turned(Grid(np.eye(4), (2, 2, 2)), codes)


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    size=st.tuples(*[st.integers(1, 12)] * 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_padding_and_cropping_move_no_value(shape, size, seed):
    """What is left of the volume comes back exactly, and stands where the affine says."""
    volume = np.random.default_rng(seed).random((2, *shape))
    source = Grid(oblique(seed), shape)
    target = fitted(source, size, "pad")
    there = regrid(volume, source, target, fill=-1)
    back = regrid(there, target, source, fill=-1)
    kept = back != -1
    assert np.array_equal(back[kept], volume[kept])
    assert kept.sum() == 2 * np.prod(np.minimum(shape, size))
    assert np.allclose(target.spacing, source.spacing)


def test_a_plane_survives_any_spacing():
    """Linear functions are exact under linear interpolation away from the border, in mm."""
    source = Grid(oblique(), (20, 22, 24))
    where = np.stack(np.meshgrid(*map(np.arange, source.shape), indexing="ij"), -1) @ source.affine[:3, :3].T
    plane = (where @ [0.3, -0.2, 0.5])[None]
    target = respaced(source, np.array([0.5, 1.9, 2.1]))
    there = regrid(plane, source, target)
    places = np.stack(np.meshgrid(*map(np.arange, target.shape), indexing="ij"), -1)
    expected = (places @ target.affine[:3, :3].T + target.affine[:3, 3] - source.affine[:3, 3]) @ [
        0.3,
        -0.2,
        0.5,
    ]
    inner = (slice(4, -4),) * 3
    assert np.allclose(there[0][inner], expected[inner], atol=1e-3)


def test_spacing_keeps_the_extent():
    source = Grid(np.diag([1.0, 2, 3, 1]), (30, 20, 10))
    target = respaced(source, np.array([2.0, 2.0, 1.5]))
    assert target.shape == (15, 20, 20)
    outer = [grid.affine @ [-0.5, -0.5, -0.5, 1] for grid in (source, target)]
    assert np.allclose(*outer)


@pytest.mark.parametrize(
    ("resize", "box"),
    [
        ("pad", [22, 22, 32, 32]),
        ("letterbox", [16, 16, 32, 32]),
        ("cover", [32 / 3, 32 / 3, 32, 32]),
        ("stretch", [16, 32 / 3, 32, 32]),
    ],
)
def test_boxes_go_where_their_pixels_go(resize, box):
    """40x30 onto 64x64; pad +12, +17; letterbox x1.6, +8 columns; cover x64/30; stretch x1.6, x64/30."""
    source = Grid(np.eye(4), (40, 30))
    target = fitted(source, (64, 64), resize)
    boxes = np.array([[10.0, 5.0, 20.0, 15.0]])
    moved = move_boxes(boxes, source, target)
    assert np.allclose(moved, box)
    assert np.allclose(move_boxes(moved, target, source), boxes)
    image = np.zeros((1, 40, 30))
    image[0, 10:20, 5:15] = 1
    inside = np.argwhere(regrid(image, source, target)[0] > 0.5)
    assert np.abs(np.r_[inside.min(0), inside.max(0) + 1] - moved[0]).max() <= 1


def test_labels_stay_labels():
    label = np.random.default_rng(0).choice([0, 3, 7], (1, 9, 9, 9)).astype(np.uint8)
    source = Grid(oblique(), (9, 9, 9))
    out = regrid(label, source, respaced(source, np.array([1.0, 1.0, 1.0])), order=0)
    assert set(np.unique(out)) <= {0, 3, 7} and out.dtype == np.uint8


def test_shrinking_averages_instead_of_picking():
    """A fine checkerboard becomes grey; picking every fourth pixel would leave it black and white."""
    board = (np.indices((64, 64)).sum(0) % 2).astype(np.float32)[None]
    source = Grid(np.eye(4), (64, 64))
    small = regrid(board, source, fitted(source, (16, 16), "stretch"))
    assert np.abs(small - 0.5).max() < 0.1
