"""Virtual heads in several contrasts: signals and HU, alignment as stated, lesions on one side or both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform, binary_erosion

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Record
from ganatomy.data.sources.contrasts import BrainContrasts
from ganatomy.data.sources.contrasts.head import Points
from ganatomy.data.sources.contrasts.signals import HU, RELAXATION, SEQUENCES, TISSUES
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError
from tests.conftest import ROOT

SMALL: dict[str, Any] = {"subjects": 6, "size": 48, "slices": 8}
QUIET: dict[str, Any] = {"noise": 0, "ct_noise": 0, "bias": 0, "scatter": 0}


def record(source: BrainContrasts, index: int = 0, split: Any = "train") -> Record:
    return replace(source.records()[index], split=split)


def bloch(tr: float, te: float, flip: float, times: tuple[float, ...], density: float) -> float:
    """Steady state by iterating pulse, decay and spoiling: nothing of the closed form."""
    t1, t2 = times
    along, across = density, 0.0
    for _ in range(5000):
        across = along * np.sin(np.deg2rad(flip))
        along *= np.cos(np.deg2rad(flip))
        along = density + (along - density) * np.exp(-tr / t1)
    return float(across * np.exp(-te / t2))


@pytest.mark.parametrize("tissue", ["csf", "gm", "wm", "fat", "skin", "lesion"])
def test_signals_are_those_of_the_steady_state(tissue):
    """Each sequence repeated until nothing changes; a spin echo is a 90 degree pulse, refocused to T2."""
    t1, t2, t2_star, density = RELAXATION[TISSUES.index(tissue)]
    found = {name: sequence(RELAXATION)[TISSUES.index(tissue)] for name, sequence in SEQUENCES.items()}
    assert found["t1"] == pytest.approx(bloch(18, 10, 30, (t1, t2_star), density), rel=1e-9)
    assert found["t2"] == pytest.approx(bloch(3300, 120, 90, (t1, t2), density), rel=1e-9)
    assert found["pd"] == pytest.approx(bloch(3300, 35, 90, (t1, t2), density), rel=1e-9)


def inner(case: dict[str, np.ndarray], number: int) -> np.ndarray:
    """Voxels of a class in the plane's middle of it."""
    plane = np.ones((3, 3, 1), bool)
    found: np.ndarray = binary_erosion(case["label"][0] == number, plane)
    return found


@pytest.fixture(scope="module")
def quiet() -> dict[str, np.ndarray]:
    source = BrainContrasts(["t1", "t2", "pd"], ["ct"], subjects=3, size=96, slices=12, lesions=1, **QUIET)
    return source.load(record(source))


def test_tissues_have_the_contrast_of_the_equations(quiet):
    """Ratios to white matter as the tables and equations say; a lesion is pure in its middle alone."""
    tabulated = {name: sequence(RELAXATION) for name, sequence in SEQUENCES.items()}
    wm, lesion = inner(quiet, 3), inner(quiet, 6)
    for channel, name in enumerate(("t1", "t2", "pd")):
        image = quiet["image"][channel]
        white = np.percentile(image[wm], 50)
        expected = tabulated[name][TISSUES.index("lesion")] / tabulated[name][TISSUES.index("wm")]
        middle = np.percentile(image[lesion], 95 if expected > 1 else 5)
        assert middle / white == pytest.approx(expected, rel=0.05)
    t1, t2, pd = (
        [np.median(image[quiet["label"][0] == number]) for number in (1, 2, 3)] for image in quiet["image"]
    )
    assert t1[0] < t1[1] < t1[2] and t2[0] > t2[1] > t2[2] and pd[0] > pd[1] > pd[2]
    signals = tabulated["t1"]
    assert signals[TISSUES.index("fat")] > signals[TISSUES.index("wm")] > signals[TISSUES.index("lesion")]


def test_a_ct_is_in_hounsfield_units(quiet):
    ct, label = quiet["target"][0], quiet["label"][0]
    assert ct.dtype == np.int16 and ct.min() == -1000 and 1000 < ct.max() <= 1400
    air = np.median(ct[~quiet["mask"][0]])
    csf, gm, wm, _, _, lesion = (np.median(ct[label == number]) for number in range(1, 7))
    assert air == -1000 and 8 <= csf <= 25 and 33 <= gm <= 38 and 28 <= wm <= 32 and 18 <= lesion <= 25
    bone = ct[label == 4]
    assert np.median(bone) > 500 and (ct[inner(quiet, 2)] < 100).all()


def test_the_layers_lie_in_the_order_of_a_head(quiet):
    """From the middle of a slice to the left: brain, CSF, bone, scalp, air."""
    label, z = quiet["label"][0], 7
    middle = label.shape[0] // 2
    line = label[middle, middle:, z]
    places = [np.flatnonzero(line == number) for number in (4, 5)]
    assert line[-1] == 0 and places[0].min() < places[1].min() and places[0].max() < places[1].max()
    assert not np.isin(line[: places[0].min()], (0, 4, 5)).any()
    assert quiet["mask"][0, middle, middle : middle + places[1].max() + 1, z].all()
    assert np.array_equal(quiet["mask"][0], label > 0) or (quiet["mask"][0] ^ (label > 0)).mean() < 0.02


def test_heads_lie_within_the_image():
    source = BrainContrasts(subjects=16, size=32, slices=4)
    masks = [source.load(one)["mask"][0] for one in source.records()]
    touching = [mask[[0, -1]].any() or mask[:, [0, -1]].any() for mask in masks]
    assert sum(touching) <= 1 and all(0.15 < mask.mean() < 0.6 for mask in masks)


def test_noise_and_shading_have_their_strengths():
    still = {**QUIET, "subjects": 3, "size": 48, "slices": 6}
    noisy, plain = BrainContrasts(**{**still, "noise": 0.1, "ct_noise": 6.0}), BrainContrasts(**still)
    a, b = (source.load(record(source, split="test")) for source in (noisy, plain))
    assert np.std(a["target"].astype(float) - b["target"]) == pytest.approx(6, rel=0.03)
    gain = np.percentile(b["image"][0][b["label"][0] == 3], 80)  # white matter: its signal is 1
    rayleigh = a["image"][0][~b["mask"][0]].mean() / np.sqrt(np.pi / 2)
    assert rayleigh / gain == pytest.approx(0.1, rel=0.1)
    shaded = BrainContrasts(**{**still, "bias": 0.2}).load(record(plain, split="test"))
    field = shaded["image"][0][b["mask"][0]] / b["image"][0][b["mask"][0]]
    assert 0.05 < np.nanstd(np.log(field[field > 0])) < 0.4
    assert np.array_equal(shaded["target"], b["target"])  # a CT has no coil


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("voxels", [1.0, 3.0])
def test_a_training_target_is_moved_as_stated(dims, voxels):
    """Against the aligned target, moved by scipy with the stated shift and angle."""
    settings: dict[str, Any] = {**QUIET, "subjects": 3, "size": 48, "slices": 3, "spatial_dims": dims}
    moved, still = BrainContrasts(**settings, misalign=voxels), BrainContrasts(**settings)
    mine = record(moved)
    shift, degrees = moved.movement(mine)
    assert np.linalg.norm(shift) == pytest.approx(voxels) and 0 < abs(degrees) <= voxels / 2
    a, b = moved.load(mine), still.load(record(still))
    assert np.array_equal(a["image"], b["image"]) and np.array_equal(a["label"], b["label"])
    turn = np.eye(3)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[:2, :2] = [[cos, sin], [-sin, cos]]
    offset = np.array([*shift, *[0] * (3 - dims)])
    middle = (np.array(a["target"].shape[1:]) - 1) / 2
    start = middle - turn @ (middle + offset)
    expected = affine_transform(b["target"][0].astype(float), turn, start, order=1, mode="nearest")
    left = np.abs(a["target"][0] - expected).mean()
    assert left < 0.4 * np.abs(a["target"][0] - b["target"][0].astype(float)).mean()
    worst = [
        np.abs(a["target"][0] - other).mean() for other in _other_ways(b["target"][0], turn, middle, offset)
    ]
    assert left < 0.7 * min(worst)


def _other_ways(target: np.ndarray, turn: np.ndarray, middle: np.ndarray, offset: np.ndarray):
    for way in (-1.0, 0.5, 1.5):
        start = middle - turn @ (middle + way * offset)
        yield affine_transform(target.astype(float), turn, start, order=1, mode="nearest")


@pytest.mark.parametrize("voxels", [1.0, 3.0])
def test_the_shift_is_found_by_phase_correlation(voxels):
    """Of two T1, one of which is a training target: the peak of the normalised cross power spectrum."""
    settings: dict[str, Any] = {**QUIET, "subjects": 3, "size": 96, "slices": 2}
    still = BrainContrasts(["t2"], ["t1"], **settings)
    moved = BrainContrasts(["t2"], ["t1"], **settings, misalign=voxels)
    one, other = (source.load(record(source, 1))["target"][0, ..., 0] for source in (still, moved))
    power = np.fft.fft2(other) * np.conj(np.fft.fft2(one))
    smooth = np.exp(-2 * (np.pi * 1.5) ** 2 * sum(np.meshgrid(*2 * (np.fft.fftfreq(96) ** 2,))))
    peak = np.fft.fftshift(np.fft.ifft2(power / np.maximum(np.abs(power), 1e-9) * smooth).real)
    places = np.argwhere(peak > 0.5 * peak.max())
    found = (places * peak[tuple(places.T)][:, None]).sum(0) / peak[tuple(places.T)].sum() - 48
    assert np.allclose(found, moved.movement(record(moved, 1))[0], atol=0.35)


def test_validation_and_test_are_aligned_and_keep_their_lesions():
    settings: dict[str, Any] = {**SMALL, "lesions": 0.5}
    plain = BrainContrasts(**settings)
    source = BrainContrasts(**settings, misalign=3, target_lesions=0.0)
    for mine in Splitting((2, 1, 1))(source.records()):
        a, b = source.load(mine), plain.load(mine)
        assert np.array_equal(a["image"], b["image"])
        same = np.array_equal(a["target"], b["target"])
        assert same == (mine.split != "train")
        assert (source.fingerprint(mine) == plain.fingerprint(mine)) == (mine.split != "train")
        assert source.movement(mine)[0].any() == (mine.split == "train")


def test_lesions_are_on_both_sides_or_on_one():
    """Bright on T2, dark on T1 against white matter, and in a training target only as asked for."""
    settings: dict[str, Any] = {**QUIET, "subjects": 4, "size": 64, "slices": 24}
    both = BrainContrasts(["t1"], ["t2"], **settings, lesions=1)
    one = BrainContrasts(["t1"], ["t2"], **settings, lesions=1, target_lesions=0.0)
    healthy = BrainContrasts(["t1"], ["t2"], **settings)
    a, b, c = (source.load(record(source)) for source in (both, one, healthy))
    lesion = a["label"][0] == 6
    assert both.classes[-1] == "lesion" and lesion.sum() > 20 and "lesion" not in healthy.classes
    assert np.array_equal(a["image"], b["image"]) and np.array_equal(b["target"], c["target"])
    in_white = lesion & (c["label"][0] == 3)
    assert (a["image"][0] < c["image"][0])[in_white].mean() > 0.95
    assert (a["target"][0] > 1.5 * c["target"][0])[in_white].mean() > 0.95
    assert np.array_equal(a["target"][0][~a["mask"][0]], c["target"][0][~c["mask"][0]])


def test_the_share_of_lesions_is_kept_and_every_split_has_some():
    source = BrainContrasts(subjects=20, size=16, slices=2, lesions=0.4)
    strata = [one.stratum for one in source.records()]
    assert strata.count("lesion") == 8 and strata[:5].count("lesion") == 2
    dealt = Splitting((2, 1, 1))(source.records())
    for split in ("train", "val", "test"):
        assert {one.stratum for one in dealt if one.split == split} == {"healthy", "lesion"}


def test_a_scan_is_the_same_on_either_side_and_beside_any_other():
    """T1 of a subject is one image, wherever and with whatever it is asked for; a subject is its number."""
    alone, beside = (
        BrainContrasts(["t1"], ["ct"], **SMALL),
        BrainContrasts(["ct", "pd"], ["t2", "t1"], **SMALL),
    )
    a, b = alone.load(record(alone, 1)), beside.load(record(beside, 1))
    assert np.array_equal(a["image"][0], b["target"][1]) and np.array_equal(a["target"][0], b["image"][0])
    more = BrainContrasts(["t1"], ["ct"], **{**SMALL, "subjects": 9})
    again = more.load(record(more, 1))
    assert all(np.array_equal(again[key], a[key]) for key in a)
    other = BrainContrasts(["t1"], ["ct"], **SMALL, cohort_seed=1)
    assert not np.array_equal(other.load(record(other, 1))["label"], a["label"])


def test_a_turned_grid_samples_the_fields_of_a_straight_one():
    """At points that both grids share, and against the products of splines that data=brain uses."""
    from ganatomy.data.sources.brain import smooth

    axes = [np.linspace(-90, 90, 7), np.linspace(-90, 90, 7), np.array([-30.0, 20.0])]
    fields = np.random.default_rng(0).standard_normal((3, 7, 7, 7))
    straight = smooth(fields, axes)
    assert np.allclose(Points.of(axes).smooth(fields), straight, rtol=1e-12, atol=1e-12)
    turned = Points.of(axes, degrees=90.0).smooth(fields)
    assert np.allclose(turned, np.flip(straight.swapaxes(1, 2), 1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("source", "target", "settings"),
    [
        (["t1"], ["ct"], ("percentile", [-1000, 1500])),
        (["t1", "t2", "pd"], "ct", (["percentile"] * 3, [-1000, 1500])),
        (["ct"], ["t1", "t2", "pd"], ([-1000, 1500], ["percentile"] * 3)),
        (["t1"], ["t2", "ct"], ("percentile", ["percentile", [-1000, 1500]])),
    ],
)
def test_batches_have_the_contrasts_and_the_intensities_that_suit_them(dims, source, target, settings):
    made = BrainContrasts(source, target, subjects=3, size=16, slices=2, spatial_dims=dims)
    data = DataModule(made, 2, intensity="auto", target_intensity="auto", split=(1, 1, 1))
    batch = next(iter(data.train_dataloader()))
    sides = (16,) * dims
    assert batch["image"].shape == (2, len(source), *sides)
    assert batch["target"].shape == (2, data.target_channels, *sides)
    assert (data.preparation.intensity, data.preparation.target_intensity) == settings
    assert torch.isfinite(batch["target"]).all() and float(batch["target"].min()) > -0.1
    if target == ["ct"]:
        assert float(batch["target"].max()) < 1


def test_without_a_target_there_is_an_image_with_labels():
    source = BrainContrasts(["ct"], None, subjects=3, size=16, slices=2)
    data = DataModule(source, 2, intensity="auto", target_intensity="auto", split=(1, 1, 1))
    batch = next(iter(data.train_dataloader()))
    assert "target" not in batch and data.mask_classes == ("background", "csf", "gm", "wm", "bone", "scalp")


def test_what_is_moved_or_missing_in_training_is_said():
    assert BrainContrasts(misalign=0).doubts("zscore") == []
    assert "moved by so many voxels" in BrainContrasts(misalign=2).doubts("zscore")[0]
    missing = BrainContrasts(lesions=0.5, target_lesions=0.0, subjects=3, size=16, slices=2)
    assert "data.unpaired=true" in missing.doubts("zscore")[0]
    DataModule(missing, 2, split=(1, 1, 1), unpaired=True)
    assert missing.doubts("zscore") == []


def test_the_page_tabulates_what_is_computed_with():
    text = (ROOT / "docs/virtual.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if "|" in line
    ]
    tabulated = {row[0]: row[1:] for row in rows}
    names = ("T1, ms", "T2, ms", "T2*, ms", "proton density")
    for name, column in (*zip(names, RELAXATION.T, strict=True), ("CT, HU", HU)):
        cells = tabulated[name]
        assert len(cells) == len(TISSUES)
        silent = RELAXATION[:, 3] == 0
        for cell, value, empty in zip(cells, column, silent & (column == 1), strict=True):
            assert cell == ("" if empty else f"{value:g}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", ["t3"]),
        ("source", []),
        ("source", ["t1", "t1"]),
        ("source", ["ct"]),
        ("target", ["t1"]),
        ("target", "flair"),
        ("scatter", -0.1),
        ("noise", -1.0),
        ("ct_noise", -1.0),
        ("misalign", -1.0),
        ("misalign", float("nan")),
        ("misalign", 60.0),
        ("lesions", 1.5),
        ("target_lesions", -0.5),
        ("lesion_count", 0),
        ("lesion_radius", (5, 3)),
    ],
)
def test_impossible_settings_are_named(key, value):
    with pytest.raises(UserError, match=rf"^data\.{'target' if value == ['ct'] else key}"):
        BrainContrasts(**{key: value})
