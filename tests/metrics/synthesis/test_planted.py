"""Sets of images that are wrong in a known way, and which score says so."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ganatomy.metrics.synthesis import distance
from ganatomy.metrics.synthesis.imagenet import ImageNetFeatures
from ganatomy.metrics.synthesis.kernel import kernel_distance
from ganatomy.metrics.synthesis.memorisation import copied_share, nearest, suspicious
from ganatomy.metrics.synthesis.pyramid import smoothed
from ganatomy.metrics.synthesis.scores import SCORES, SetScores
from tests.metrics.synthesis.anatomy import anatomies

Sets = tuple[Tensor, Tensor]


def generated() -> Sets:
    return anatomies(90, 48, seed=0), anatomies(60, 48, seed=1)


def chest() -> Sets:
    """(training, other patients) at 64."""
    root = Path(os.environ.get("GANATOMY_DATA", "data")) / "nih_cxr_256"
    if not root.is_dir():
        pytest.skip("GANATOMY_DATA has no nih_cxr_256")
    with (root / "splits.csv").open() as file:
        rows = [(row["split"], root / row["file"]) for row in csv.DictReader(file)]
    sets = []
    for split, count in (("train", 150), ("val", 80)):
        paths = [path for own, path in rows if own == split][:count]
        small = [Image.open(path).convert("F").resize((64, 64), Image.Resampling.BOX) for path in paths]
        sets.append(torch.from_numpy(np.stack([np.asarray(image) for image in small]))[:, None] / 255)
    return sets[0], sets[1]


@pytest.fixture(scope="module", params=[generated, chest], ids=["generated", "chest"])
def sets(request: pytest.FixtureRequest) -> Sets:
    """(training, other patients)."""
    return request.param()


@pytest.fixture(scope="module")
def scores(sets: Sets) -> dict[str, dict[str, float]]:
    """What the judge, who knows the other patients alone, says of each planted set."""
    training, real = sets
    n = len(real)
    own = training[-n:]
    draw = torch.Generator().manual_seed(0)
    span = (float(real.min()), float(real.max()))
    planted = {
        "real": own,
        "blurred": smoothed(own),
        "more blurred": smoothed(smoothed(own)),
        "mean": own.mean(0, keepdim=True).expand_as(own),
        "noise": span[0] + (span[1] - span[0]) * torch.rand(own.shape, generator=draw),
        "few": own[: n // 10].repeat(11, 1, 1, 1)[:n],
        "two": own[:2].repeat(-(-n // 2), 1, 1, 1)[:n],
        "mixed": (own + own.roll(1, 0)) / 2,
        **copies(own),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "DIRECTIONS", 32)  # quick, and enough to tell these apart
        judge = SetScores(real)
        return {name: judge(images) for name, images in planted.items()}


def copies(images: Tensor) -> dict[str, Tensor]:
    """Copies that compare badly pixel by pixel."""
    draw = torch.Generator().manual_seed(1)
    return {
        "shifted": images.roll(3, -1),
        "flipped": images.flip(-1),
        "faint": images + 0.02 * images.std() * torch.randn(images.shape, generator=draw),
    }


@pytest.mark.parametrize("score", ["swd", "kid/random"])
def test_worse_sets_are_further_away(scores: dict[str, dict[str, float]], score: str) -> None:
    order = ["real", "blurred", "more blurred", "mean", "noise"]
    found = [scores[name][score] for name in order]
    assert found == sorted(found) and found[1] > 1.5 * max(found[0], 0)


def test_worse_sets_are_further_away_in_features_of_photographs(sets: Sets) -> None:
    """On real images; a copy of the training set is as near as a second real set."""
    own, real = sets[0][:40], sets[1][:40]
    if own.shape[-1] != 64:
        pytest.skip("these features are made for real images")
    describe = ImageNetFeatures(real)
    seen = describe(real)
    noise = torch.rand(own.shape, generator=torch.Generator().manual_seed(0))
    once, twice = smoothed(own), smoothed(smoothed(own))
    order = [own, once, twice, own.mean(0, keepdim=True).expand_as(own[:10]), noise[:20]]
    found = [kernel_distance(describe(images), seen) for images in order]
    assert found == sorted(found) and found[1] > 1.5 * max(found[0], 0)


def test_twenty_images_repeated_fail_coverage(sets: Sets) -> None:
    training, real = sets
    if real.shape[-1] != 64:
        pytest.skip("generated images are so alike that twenty cover many")
    own = training[: len(real)]
    judge = SetScores(real)
    repeated = own[:20].repeat(4, 1, 1, 1)[: len(real)]
    assert judge(repeated)["coverage"] < 0.8 * judge(own)["coverage"]


def test_few_images_repeated_fail_coverage(scores: dict[str, dict[str, float]]) -> None:
    assert scores["real"]["coverage"] > 0.8
    assert scores["few"]["coverage"] < 0.7 * scores["real"]["coverage"]
    assert scores["two"]["coverage"] < 0.3 * scores["real"]["coverage"]


def test_a_collapse_onto_two_points_fails_every_score(scores: dict[str, dict[str, float]]) -> None:
    real, two = scores["real"], scores["two"]
    assert two["swd"] > 2 * real["swd"] and two["kid/random"] > 100 + real["kid/random"]
    assert abs(two["ms_ssim"] - real["ms_ssim"]) > 0.1


def test_scores_know_no_units() -> None:
    """Images in Hounsfield-like units, far below zero, score as those in 0 to 1."""
    training, real = (images[:40] for images in generated())
    plain, moved = SetScores(real)(training), SetScores(real * 2000 - 1000)(training * 2000 - 1000)
    assert moved == {name: pytest.approx(value, rel=0.01, abs=1e-3) for name, value in plain.items()}


def test_two_patients_mixed_are_caught(scores: dict[str, dict[str, float]]) -> None:
    real, mixed = scores["real"], scores["mixed"]
    assert mixed["swd"] > 2 * real["swd"] and mixed["ms_ssim"] > real["ms_ssim"] + 0.05


@pytest.mark.parametrize("how", ["shifted", "flipped", "faint"])
def test_copies_pass_every_distance_and_are_caught(
    sets: Sets, scores: dict[str, dict[str, float]], how: str
) -> None:
    for score in ("swd", "kid/random"):
        assert scores[how][score] < scores["more blurred"][score]
    assert scores[how]["ms_ssim"] == pytest.approx(scores["real"]["ms_ssim"], abs=0.1)
    if how != "shifted":  # which coverage sees where all the others lie in the middle
        assert scores[how]["coverage"] > scores["real"]["coverage"] - 0.15
    training, real = sets
    held_out, _, _ = nearest(real[:40], training.split(30))
    found, index, images = nearest(copies(training[5:35])[how], training.split(30))
    assert torch.equal(index, torch.arange(5, 35)) and torch.equal(images, training[5:35])
    assert copied_share(found, held_out) == 1 and suspicious(found, held_out)


@pytest.mark.parametrize("side", [28, 32, 40, 64])
@pytest.mark.parametrize("shift", [(3, 0), (-3, 3)], ids=str)
def test_copies_shifted_by_three_pixels_are_caught_at_any_size(
    sets: Sets, side: int, shift: tuple[int, int]
) -> None:
    training, real = (interpolate(images, (side, side), mode="area") for images in sets)
    held_out, _, _ = nearest(real[:40], training.split(64))
    found, index, _ = nearest(training[5:35].roll(shift, (2, 3)), training.split(64))
    assert torch.equal(index, torch.arange(5, 35))
    assert copied_share(found, held_out) > 0.9 and suspicious(found, held_out)


def test_other_patients_and_averages_are_no_copies(sets: Sets) -> None:
    training, real = sets
    held_out, _, _ = nearest(real[:40], training.split(64))
    for honest in (real[40:], training.mean(0, keepdim=True)):
        found, _, _ = nearest(honest, training.split(64))
        assert not suspicious(found, held_out)


def test_nearest_by_brute_force() -> None:
    """Every shift and flip of every pair, one by one, in float64."""
    queries, references = anatomies(3, 28, seed=0), anatomies(4, 28, seed=1)
    found, index, _ = nearest(queries, [references[:3], references[3:]])
    ours, theirs = (smoothed(images)[:, 0].double().numpy() for images in (queries, references))
    for n in range(3):
        every = np.array(
            [
                max(
                    np.corrcoef(ours[n, 4:24, 4:24].ravel(), view[4 + y : 24 + y, 4 + x : 24 + x].ravel())[
                        0, 1
                    ]
                    for view in (image, image[:, ::-1])
                    for y in range(-3, 4)
                    for x in range(-3, 4)
                )
                for image in theirs
            ]
        )
        assert float(found[n]) == pytest.approx(every.max(), abs=1e-5) and int(index[n]) == every.argmax()


def test_the_judge_gives_every_score(scores: dict[str, dict[str, float]]) -> None:
    assert set(SCORES) <= set(scores["real"])
    levels = [value for name, value in scores["real"].items() if name.startswith("swd/")]
    assert scores["real"]["swd"] == pytest.approx(np.mean(levels)) and len(levels) == 2 + (
        "swd/64" in scores["real"]
    )
