"""Virtual vessels: radii, branchings, contrast and field of view as stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.vessels import Vessels
from ganatomy.data.sources.vessels.tree import Tree, painted
from ganatomy.errors import UserError

QUIET: dict[str, Any] = {"noise": 0, "lighting": 0}


def case(source: Vessels, index: int = 0) -> dict[str, np.ndarray]:
    return source.load(source.records()[index])


@pytest.mark.parametrize("dims", [2, 3])
def test_label_is_what_lies_within_the_radius_of_a_centreline_in_the_field(dims):
    """Distances to all points of the tree, computed here one by one."""
    source = Vessels(3, 32, spatial_dims=dims, roots=2)
    field, tree = source.anatomy(0)
    found = case(source)
    places = np.stack(np.meshgrid(*[np.arange(32)] * dims, indexing="ij"), -1).reshape(-1, dims)
    away = np.linalg.norm(places[:, None] - tree.places[None], axis=-1)
    inside = (away < tree.radii).any(1).reshape((32,) * dims)
    mask = (((places - field.centre) ** 2).sum(1) < field.radius**2).reshape((32,) * dims)
    assert np.array_equal(found["mask"][0], mask)
    assert np.array_equal(found["label"][0] > 0, inside & mask)
    assert 0 < inside[mask].mean() < 0.6


def test_a_straight_vessel_is_as_wide_as_its_radius_says():
    tree = Tree(np.stack([np.full(201, 20.0), np.linspace(5, 55, 201)], 1), np.full(201, 3.5))
    depth, thick = painted(tree, (40, 60))
    assert (depth[:, 30] > 0).sum() == 7 and set(np.unique(thick)) == {0.0, 3.5}
    assert depth[20, 30] == pytest.approx(3.5, abs=0.01)


def test_radii_stay_in_their_range_and_branchings_keep_the_cubes():
    field, tree = Vessels(3, 256).anatomy(1)
    assert tree.radii.min() >= 1 and tree.radii.max() == 4
    steps = np.linalg.norm(np.diff(tree.places, axis=0), axis=1)
    along = steps < 1.001  # the others lead to another branch
    assert np.allclose(steps[along], 1) and (np.diff(tree.radii)[along] < 0).all()
    assert (field.distance(tree.places) < field.radius + 4).all()
    drops = -np.diff(np.log(tree.radii))[along]
    usual = np.median(drops)
    kept = np.exp(-drops[drops > 2 * usual] + usual) ** 3
    thin = sorted(radius for radius, first in zip(tree.radii, [True, *~along], strict=True) if first)
    assert len(kept) >= len(thin) - 4 > 5 and ((kept >= 0.5 - 1e-9) & (kept < 1)).all()


def test_contrast_falls_with_the_radius_and_thick_vessels_have_a_reflex():
    source = Vessels(3, 256, contrast=0.4, **QUIET)
    wide, narrow = np.full((1, 1), 4.0), np.full((1, 1), 1.0)
    through = {
        name: float(source._absorbed(np.full((1, 1), depth), radius)[0, 0])
        for name, depth, radius in (("wall", 1.5, wide), ("middle", 4.0, wide), ("end", 1.0, narrow))
    }
    assert 1 - through["end"] == pytest.approx(0.2)  # 0.4 times the root of 1/4
    assert 1 - through["wall"] > 0.35 and through["middle"] > through["wall"] + 0.1


def test_vessels_are_darker_than_what_lies_beside_them():
    source = Vessels(4, 128, **QUIET)
    for index in range(4):
        found = case(source, index)
        inside, field = found["label"][0] > 0, found["mask"][0]
        beside = ~inside & (distance_transform_edt(~inside) < 5) & field
        image = found["image"][0]
        assert image[inside].mean() < 0.93 * image[beside].mean()


def test_outside_of_the_field_are_a_rim_and_the_dark():
    """Whoever scores there scores nonsense: darker than any vessel, and a rim brighter than all tissue."""
    found = case(Vessels(3, 128))
    image, field = found["image"][0], found["mask"][0]
    assert not found["label"][0][~field].any() and label(field)[1] == 1
    away = distance_transform_edt(~field)
    assert image[away > 12].mean() < 0.1 < 0.8 < image[(away > 1) & (away < 3)].mean()
    assert image[field].max() < image[~field].max()


def test_a_subject_depends_on_seed_and_number_alone():
    first, again, other = Vessels(3, 48), Vessels(9, 48), Vessels(3, 48, cohort_seed=1)
    for key, value in case(first, 1).items():
        assert np.array_equal(value, case(again, 1)[key])
    assert not np.array_equal(case(first, 1)["label"], case(other, 1)["label"])
    assert not np.array_equal(case(first, 0)["label"], case(first, 1)["label"])
    assert len({source.fingerprint(source.records()[1]) for source in (first, other, Vessels(3, 64))}) == 3


def test_batches_hold_the_mask():
    data = DataModule(Vessels(6, 48), batch_size=2, patch=32)
    batch = next(iter(data.train_dataloader()))
    assert batch["mask"].shape == batch["label"].shape == (2, 1, 32, 32) and batch["mask"].any()
    assert next(iter(data.test_dataloader()))["mask"].shape[2:] == (48, 48)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subjects": 2}, "data.subjects=2: at least 3"),
        ({"size": 8}, "data.size=8: at least 24"),
        ({"spatial_dims": 4}, "data.spatial_dims=4"),
        ({"radius": [4, 1]}, r"data.radius=\[4, 1\]: give"),
        ({"radius": [0.1, 1]}, "data.radius"),
        ({"radius": 3}, "data.radius=3"),
        ({"contrast": 2.0}, "data.contrast=2.0"),
        ({"noise": -1.0}, "data.noise=-1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        Vessels(**settings)
