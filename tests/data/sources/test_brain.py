"""The virtual cohort: repeatable, different from subject to subject, and anatomically plausible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

from ganatomy.data.sources.brain import CENTRE, FIELD_OF_VIEW, Brain, rician
from ganatomy.data.sources.icbm import template
from ganatomy.errors import UserError


@pytest.fixture(scope="module")
def cohort() -> list[dict[str, np.ndarray]]:
    brain = Brain()
    return [brain.load(record) for record in brain.records()[:3]]


def test_subjects_depend_on_seed_and_number_alone(cohort):
    for brain in (Brain(), Brain(subjects=6)):
        again = brain.load(brain.records()[1])
        assert all(np.array_equal(again[key], cohort[1][key]) for key in again)
    other = Brain(cohort_seed=1)
    assert not np.array_equal(other.load(other.records()[1])["label"], cohort[1]["label"])


def test_the_anatomy_of_a_subject_does_not_depend_on_the_grid():
    """The same point of the same head, sampled by two grids whose voxels coincide."""
    coarse, fine = (Brain(size=size, noise=0, slices=10) for size in (32, 96))
    a, b = (brain.load(brain.records()[0])["image"] for brain in (coarse, fine))
    assert np.allclose(a[0], b[0, 1::3, 1::3], rtol=1e-4, atol=1e-2)


def test_tissue_volumes_are_those_of_a_brain(cohort):
    """Millilitres. Adults: 600 to 1000 GM, 400 to 700 WM, 200 to 450 CSF."""
    for case in cohort:
        csf, gm, wm = (np.prod(case["spacing"]) * (case["label"] == k).sum() / 1000 for k in (1, 2, 3))
        assert 200 < csf < 450 and 700 < gm < 1200 and 450 < wm < 800


def test_tissues_have_the_order_of_t1_contrast(cohort):
    for case in cohort:
        air, csf, gm, wm = (np.median(case["image"][case["label"] == k]) for k in range(4))
        assert air < csf < gm < wm


def test_subjects_differ_more_than_their_noise_and_bias(cohort):
    """Deformation moves labels; without any of it, all subjects would share one label map."""
    a, b = (case["label"] > 1 for case in cohort[:2])
    assert 0.6 < 2 * (a & b).sum() / (a.sum() + b.sum()) < 0.95
    assert not np.allclose(cohort[0]["image"].mean(), cohort[1]["image"].mean(), rtol=0.01)


def test_elastic_deformation_is_felt():
    still, warped = (Brain(deformation=d, noise=0) for d in (0.0, 3.0))
    record = still.records()[0]
    moved = (still.load(record)["label"] != warped.load(record)["label"]).mean()
    assert moved > 0.02


def test_affine_maps_the_middle_of_the_grid_onto_the_brain(cohort):
    affine, shape = cohort[0]["affine"], np.array(cohort[0]["image"].shape[1:])
    middle = affine @ [*(shape - 1) / 2, 1]
    assert np.allclose(
        middle[:2], [0, -17], atol=1.5
    )  # MNI: between the hemispheres, behind the anterior commissure
    assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), cohort[0]["spacing"])
    assert affine[1, 0] < 0 and affine[0, 1] < 0 and affine[2, 2] > 0  # to the back, to the left, up


def test_rician_noise_has_the_moments_of_its_closed_form():
    """E M^2 = A^2 + 2 sigma^2 everywhere; without a signal, Rayleigh: E M = sigma sqrt(pi / 2)."""
    rng = np.random.default_rng(0)
    assert np.mean(rician(np.full(200_000, 3.0), 1.5, rng) ** 2) == pytest.approx(9 + 2 * 1.5**2, rel=0.01)
    assert np.mean(rician(np.zeros(200_000), 1.5, rng)) == pytest.approx(1.5 * np.sqrt(np.pi / 2), rel=0.01)


def test_noise_setting_is_sigma_over_white_matter():
    """Rayleigh noise in air: sigma = mean / sqrt(pi / 2)."""
    brain = Brain(noise=0.1)
    case = brain.load(brain.records()[0])
    air = case["image"][0, :6, :6].mean() / np.sqrt(np.pi / 2)
    assert air / case["image"][case["label"] == 3].mean() == pytest.approx(0.1, rel=0.15)


def test_volumes_are_cubes():
    brain = Brain(spatial_dims=3)
    case = brain.load(brain.records()[0])
    assert case["image"].shape == case["label"].shape == (1, 64, 64, 64)
    assert case["spacing"] == pytest.approx([3, 3, 3])


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ({"subjects": 2}, "data.subjects"),
        ({"size": 4}, "data.size"),
        ({"noise": -1.0}, "data.noise"),
        ({"spatial_dims": 4}, "data.spatial_dims"),
    ],
)
def test_impossible_settings_are_named(setting, key):
    with pytest.raises(UserError, match=key):
        Brain(**setting)


def test_template_is_the_whole_one():
    maps, affine = template()
    assert maps.shape == (4, 197, 233, 189)
    assert np.array_equal(np.diag(affine), [1, 1, 1, 1])


def axes_of(brain: Brain) -> list[np.ndarray]:
    plane = (np.arange(brain.size) - (brain.size - 1) / 2) * FIELD_OF_VIEW / brain.size
    return [plane, plane, np.array([-60.0, 0.0, 33.3]) if brain.spatial_dims == 2 else plane]


@pytest.mark.parametrize("dims, size", [(2, 48), (3, 24)])
def test_what_is_left_out_of_the_interpolation_is_air(dims, size):
    """Every bit is that of scipy over the whole grid, with splines and products made anew."""
    brain = Brain(size=size, spatial_dims=dims)
    person, axes = brain.person(1), axes_of(brain)
    places = np.linspace(-FIELD_OF_VIEW / 2, FIELD_OF_VIEW / 2, 7)
    bases = [CubicSpline(places, np.eye(7))(axis) for axis in axes]
    elastic = [np.einsum("abc,xa,yb,zc->xyz", k, *bases, optimize=True) for k in person.elastic]
    points = np.stack(np.meshgrid(-axes[1], -axes[0], axes[2], indexing="ij")).swapaxes(1, 2)
    points = np.tensordot(person.matrix, points, 1) + (CENTRE + person.shift)[:, None, None, None]
    points = (points + np.stack(elastic)).astype(np.float32)
    plain = np.stack([map_coordinates(m, points, np.float32, order=1) for m in template()[0]])
    assert np.array_equal(person.maps(axes), plain / np.float32(255))
    assert 0.2 < (plain == 0).all(0).mean() < 0.9
