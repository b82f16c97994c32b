"""A new image that is unlike the training cases is told, with the reason; one of the same set is not."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks._familiar_sets import MADE, REAL, Scan, made, mistakes, nifti, png_32, volume
from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.familiarity import mistakes as foreseen
from ganatomy.data.quality.familiarity.calibration import Trial
from ganatomy.data.quality.familiarity.case_summary import Summary, summarise
from ganatomy.data.quality.familiarity.fit import fitted
from ganatomy.data.quality.familiarity.judge import reasons_of, unlike
from ganatomy.data.quality.familiarity.mirror import Mirror
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError

DATA = Path(os.environ.get("GANATOMY_DATA", "data"))
TOLD = ("a CT", "inverted", "spacing x 2", "clipped at 8 bits", "256 levels", "BGR", "blank", "standardised")


def measured(scan: Scan) -> Summary:
    return summarise(scan.image, scan.affine, scan.spacing)


def learned(scans: list[Scan]) -> dict[str, Any]:
    kept = fitted([measured(scan) for scan in scans], [f"patient {n}" for n in range(len(scans))])
    assert kept is not None
    return kept


def kinds(kept: dict[str, Any], scan: Scan) -> dict[str, str]:
    return {reason.kind: reason.words for reason in unlike(kept, scan.image, scan.spacing, scan.affine)}


SETS = [
    name for name in MADE if name not in ("made up: CT volumes", "made up: PNG of 40 to 90 pixels, 8 bits")
]
"""Of the others one is a CT itself, and one has sizes that differ by more than a factor of two."""


@pytest.mark.parametrize("name", SETS)
def test_held_out_images_pass_and_mistakes_are_told(name):
    """Twenty training cases: at most 5 % false warnings, and 90 % of each mistake seen."""
    scans = made(name, 50)
    kept = learned(scans[:20])
    assert np.mean([bool(kinds(kept, scan)) for scan in scans[20:]]) <= 0.05
    seen: dict[str, list[bool]] = {}
    for number, scan in enumerate(scans[20:30]):
        for mistake, spoilt in mistakes(scan, np.random.default_rng(number), TOLD).items():
            seen.setdefault(mistake, []).append(bool(kinds(kept, spoilt)))
    assert {m: np.mean(marks) for m, marks in seen.items() if np.mean(marks) < 0.9} == {}


@pytest.mark.parametrize("count", [4, 6, 12, 40])
def test_a_set_without_light_and_dark_has_no_test_of_inversion(count):
    """White noise looks the same when inverted: any discriminant found there is chance."""
    rng = np.random.default_rng(count)
    scans = [Scan((rng.random((1, 20, 16)) * 255).astype(np.uint8)) for _ in range(count + 100)]
    kept = learned(scans[:count])
    assert sum(bool(kinds(kept, scan)) for scan in scans[count:]) <= 5
    assert kept["inverted"] is None and {"inverted", "256 grey levels"} <= set(kept["cannot_be_told"])


def test_the_words_name_value_and_training():
    rng = np.random.default_rng(0)
    scans = made("made up: MR volumes, 12 bits", 21)
    kept, scan = learned(scans[:20]), scans[20]
    values = scan.image[0].astype(float)

    def words(image: np.ndarray, spacing: np.ndarray, kind: str) -> str:
        return kinds(kept, volume(image, np.asarray(spacing)))[kind]

    told = words(scan.image[0], [2, 2, 6], "spacing")
    assert told.startswith("spacing 2 x 2 x 6 mm, in training 0.9"), told
    assert "look like CT, in training 0 to 1" in words(values * 2 - 1000, scan.spacing, "intensity")
    assert "look scaled to 0..1 already" in words(values / values.max(), scan.spacing, "intensity")
    assert "look standardised" in words((values - values.mean()) / values.std(), scan.spacing, "intensity")
    assert words(values.max() - values, scan.spacing, "inverted").startswith("intensities look inverted")
    assert "highest value" in words(np.clip(values, 0, 255), scan.spacing, "levels")
    assert "blank: all values are 7" in words(np.full((30, 30, 30), 7), scan.spacing, "constant")
    assert "noisier" in words(values + rng.normal(0, 300, values.shape), scan.spacing, "sharpness")
    assert words(np.tile(values, (3, 1, 1)), scan.spacing, "size").startswith("size ")
    assert list(kinds(kept, Scan(scan.image[:, :, :, 0]))) == ["axes"]
    assert list(kinds(kept, Scan(np.repeat(scan.image, 2, 0), scan.affine, scan.spacing))) == ["channels"]
    holed = scan.image.astype(float)
    holed[0, 0, 0, 0] = np.nan
    assert "finite" in kinds(kept, Scan(holed, scan.affine, scan.spacing))


def test_eight_bits_are_told_where_training_had_more():
    """An 8-bit set cannot show it, and says so; a set of 16 bits can."""
    eight, sixteen = (
        learned(made(f"made up: PNG {name}", 20)) for name in ("32x32, 8 bits", "40x56, 16 bits")
    )
    assert "256 grey levels" in eight["cannot_be_told"] and eight["seen"]["256 grey levels"] < 0.5
    assert sixteen["seen"]["256 grey levels"] == 1 and not sixteen["cannot_be_told"]
    image = made("made up: PNG 40x56, 16 bits", 21)[20].image
    coarse = Scan((image // 256 * 256).astype(np.uint16))
    assert "saved with 8 bits?" in kinds(sixteen, coarse)["levels"]


def test_one_odd_training_case_does_not_silence_the_test():
    scans = made("made up: MR volumes, 12 bits", 46)
    names = ("inverted", "spacing x 2", "256 levels")
    tests = [mistakes(scan, np.random.default_rng(0), names) for scan in scans[41:46]]
    for odd in mistakes(scans[40], np.random.default_rng(0), ("a CT", "inverted", "blank")).values():
        kept = learned([*scans[:39], odd])
        assert not any(kinds(kept, scan) for scan in scans[41:])
        assert all(kinds(kept, spoilt) for test in tests for spoilt in test.values())


def test_cases_of_a_subject_are_left_out_together():
    """Five scans of one patient have a spacing of their own: new to the other patients, not to each other."""
    cases = [measured(scan) for scan in made("made up: PNG 32x32, 8 bits", 45)]
    cases[20:25] = [case | {"spacing": [2.0, 2.0]} for case in cases[20:25]]
    own = [str(number) for number in range(45)]
    shared = [*own[:20], *["one patient"] * 5, *own[25:]]
    alone, together = (Trial.of(cases, owners, 1.0, ()) for owners in (own, shared))
    assert alone.deviations["spacing"].max() <= 1 and together.subjects == 41
    assert (together.deviations["spacing"] > 1).nonzero()[0].tolist() == [20, 21, 22, 23, 24]


def test_what_is_kept_is_small_plain_and_nameless():
    kept = learned(made("made up: RGB 48x48", 20))
    text = json.dumps(kept, allow_nan=False)
    assert "patient" not in text and len(text) < 20_000
    assert json.loads(text) == kept
    scan = made("made up: RGB 48x48", 21)[20]
    spoilt = mistakes(scan, np.random.default_rng(0), ["BGR"])["BGR"]
    assert kinds(json.loads(text), spoilt)["reversed"].startswith("channels look reversed: BGR")
    with pytest.raises(UserError, match=r"preprocessing\.json: familiarity has the version 0, not 1"):
        unlike(kept | {"version": 0}, scan.image, scan.spacing, scan.affine)
    assert fitted([], []) is None and fitted([{}], ["a"]) is None


@pytest.mark.parametrize("name", ["made up: RGB 48x48", "made up: MR volumes, 12 bits"])
def test_summaries_of_mistakes_are_those_of_the_spoilt_images(name):
    """The mistakes that a fit tries on summaries are compared with summaries of images."""
    scan = made(name, 1)[0]
    part = tuple(slice(3, 3 + side) for side in (25, 20, 20)[: scan.image.ndim - 1])
    image = scan.image[(slice(None), *part)].astype(np.float64)  # every voxel is measured, in equal fifths
    case = summarise(image, scan.affine, scan.spacing)
    axes = tuple(range(1, image.ndim))
    top, bottom = image.max(axes, keepdims=True), image.min(axes, keepdims=True)

    def close(made_of: Summary, image: np.ndarray, spacing: np.ndarray = scan.spacing) -> None:
        affine = scan.affine if image.ndim == 3 else np.diag([*spacing, 1.0])
        expected = summarise(image, affine, spacing)
        assert made_of.keys() == expected.keys()
        for key, numbers in expected.items():
            if key not in ("levels_of_8_bits", "entropy"):  # bins and fifths are cut at other places
                assert np.allclose(made_of[key], numbers, rtol=1e-3, atol=1e-2), key

    close(foreseen.inverted(case), top + bottom - image)
    close(foreseen.swapped(case), image[::-1])
    if image.ndim == 4:
        close(foreseen.doubled(case), image, 2 * scan.spacing)
    levels = np.rint((image - bottom) / (top - bottom) * 255) / 255 * (top - bottom) + bottom
    expected = max(len(np.unique(channel)) for channel in levels)
    assert foreseen.coarse(case)["levels"] == [expected]


def test_the_order_of_a_files_axes_changes_nothing(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    scan = made("made up: MR volumes, 12 bits", 1)[0]
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(scan.image[0], scan.affine))
    path = tmp_path / "turned.nii.gz"
    shuffled = nibabel.Nifti1Image(
        turned.get_fdata()[::-1].transpose(2, 0, 1).astype(np.int16),
        turned.affine
        @ np.array([[0, -1, 0, scan.image.shape[1] - 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
    )
    nibabel.save(shuffled, path)
    one, other = measured(scan), measured(nifti(path))
    assert path.exists() and shuffled.shape != scan.image.shape[1:]
    assert all(np.allclose(one[key], other[key], rtol=1e-4, atol=1e-5) for key in one)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 7), (2, 3, 2), (1, 1, 5, 5), (1, 40, 30, 1), (5, 2, 2, 2)]
)
def test_every_shape_has_a_summary(shape):
    rng = np.random.default_rng(0)
    for image in (
        rng.random(shape),
        np.zeros(shape, bool),
        rng.integers(0, 9, shape),
        np.full(shape, np.nan),
    ):
        dims = len(shape) - 1
        case = summarise(image, np.eye(4), np.ones(dims))
        kept = fitted([case] * 3, ["a", "b", "c"])
        json.dumps([case, kept], allow_nan=False)
        assert kept and not [r for r in reasons_of(kept, case) if r.kind != "finite"]


def test_a_large_volume_is_sampled_on_a_fixed_lattice():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (1, 160, 150, 140)).astype(np.float32)
    image[0, 1, 1, 1] = 5000  # extremes are those of all voxels
    one, other = (summarise(image.copy(), np.eye(4), np.ones(3)) for _ in range(2))
    assert one == other and one["highest"] == [5000]
    assert one["mean"][0] == pytest.approx(100, abs=0.2) and one["differences"][0] == pytest.approx(
        1, abs=0.1
    )


def test_the_discriminant_is_fishers():
    """Two classes with opposite means and one covariance: the direction is cov^-1 mean (Fisher 1936)."""
    rng = np.random.default_rng(0)
    mean, cov = np.array([1.0, 0.2, 0.0]), np.diag([0.5, 0.1, 2.0])
    mirror = Mirror.of(rng.multivariate_normal(mean, cov, 20_000))
    assert mirror is not None
    weights = np.array(mirror.weights) / mirror.weights[0]
    assert weights == pytest.approx(np.linalg.solve(cov, mean) / (mean[0] / cov[0, 0]), abs=0.05)
    assert float(mirror.score(mean[None])[0]) == pytest.approx(1, abs=0.02)


class Counted(Folder):
    """Count how often a case is read."""

    reads = 0

    def load(self, record):
        type(self).reads += 1
        return super().load(record)


def test_the_survey_measures_each_case_once(tmp_path, picture):
    """No further reading; a later run reads nothing, and facts of an earlier version are made anew."""
    for number in range(12):
        picture(f"images/{number}.png", png_32(np.random.default_rng(number)).image[0])

    def data() -> DataModule:
        Counted.reads = 0
        source = Counted(root=str(tmp_path / "images"), image="*.png", spatial_dims=2, channels=1)
        return DataModule(source, batch_size=2, cache="disk", cache_dir=str(tmp_path / "cache"))

    first = data().familiarity()
    assert Counted.reads == 12 and first is not None and first["cases"] == 8
    assert data().familiarity() == first and Counted.reads == 0
    (facts,) = (tmp_path / "cache/facts").iterdir()
    rows = json.loads(facts.read_text())
    facts.write_text(json.dumps({name: {**row, "summary": {}} for name, row in rows.items()}))
    assert data().familiarity() == first and Counted.reads == 12
    new = png_32(np.random.default_rng(99)).image
    assert not unlike(first, new, np.ones(2), np.eye(4))
    assert unlike(first, 255 - new, np.ones(2), np.eye(4))


def test_a_run_that_degrades_its_images_does_not_judge_their_noise(tmp_path, picture):
    for number in range(12):
        picture(f"images/{number}.png", png_32(np.random.default_rng(number)).image[0])
    source = Folder(root=str(tmp_path / "images"), image="*.png", spatial_dims=2, channels=1)
    data = DataModule(source, batch_size=2, degrade=lambda image, *_: image)  # type: ignore[arg-type]
    kept = data.familiarity()
    assert kept and not [name for name in kept["features"] if name.split("/")[0] in ("sharpness", "levels")]


@pytest.mark.slow
def test_the_real_mr_volumes():
    if not (DATA / "hippocampus_msd").is_dir():
        pytest.skip("GANATOMY_DATA has no hippocampus_msd")
    rows = list(islice(REAL["hippocampus"](DATA), 0, None, 3))
    train = [(subject, measured(scan)) for split, subject, scan in rows if split == "train"]
    kept = fitted([case for _, case in train], [subject for subject, _ in train])
    held = [scan for split, _, scan in rows if split != "train"]
    assert kept and np.mean([bool(reasons_of(kept, measured(scan))) for scan in held]) <= 0.05
    for name in ("a CT", "inverted", "spacing x 2"):
        spoilt = [mistakes(scan, np.random.default_rng(0), [name])[name] for scan in held[:10]]
        assert np.mean([bool(reasons_of(kept, measured(scan))) for scan in spoilt]) >= 0.9, name
