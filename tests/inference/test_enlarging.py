"""An image of large pixels on the fine grid: each block of small voxels lies where its large one lay."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ganatomy.data.transforms.prepare import Preparation
from ganatomy.inference.enlarging import enlarged
from tests.finished import OBLIQUE

IMAGE = np.random.default_rng(0).normal(size=(1, 5, 4, 3))


def case(image: np.ndarray, affine: np.ndarray = OBLIQUE) -> dict[str, np.ndarray]:
    return {"image": image, "affine": affine, "spacing": np.linalg.norm(affine[:3, :3], axis=0)}


@pytest.mark.parametrize("factor", [2, 4])
def test_blocks_lie_where_their_voxels_lay(factor: int) -> None:
    fine = enlarged(case(IMAGE), factor, Preparation(3, orientation=None))
    assert fine is not None and fine["image"].shape == (1, 5 * factor, 4 * factor, 3 * factor)
    assert np.allclose(fine["spacing"], case(IMAGE)["spacing"] / factor)
    inside = np.array(list(product(range(factor), repeat=3)))
    for voxel in ((0, 0, 0), (4, 2, 1)):
        block = np.array(voxel) * factor + inside
        places = np.c_[block, np.ones(len(block))] @ fine["affine"].T
        assert np.allclose(places.mean(0), OBLIQUE @ [*voxel, 1])
        assert {fine["image"][0][tuple(place)] for place in block} == {IMAGE[0][voxel]}


def test_slices_stay_slices() -> None:
    """A 2D network takes axial slices: the third axis of this volume, whatever its order in the file."""
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    flat = enlarged(case(IMAGE, affine), 2, Preparation(2, orientation="PLS"))
    assert flat is not None and flat["image"].shape == (1, 10, 8, 3)
    turned = enlarged(
        case(np.moveaxis(IMAGE, 3, 1), affine[:, [2, 0, 1, 3]]), 2, Preparation(2, orientation="PLS")
    )
    assert turned is not None and turned["image"].shape == (1, 3, 10, 8)


def test_what_is_fine_already_stays_as_it_is() -> None:
    blocks = IMAGE.repeat(2, 1).repeat(2, 2).repeat(2, 3)
    assert enlarged(case(blocks), 2, Preparation(3, orientation=None)) is None
    blocks[0, 0, 0, 0] += 1
    assert enlarged(case(blocks), 2, Preparation(3, orientation=None)) is not None
