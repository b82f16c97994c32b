"""Reference scores for synthesis: trivial baselines and real training images."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ganatomy.baselines.synthesis import trivial_images
from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError
from ganatomy.metrics.synthesis.distance import NEIGHBOURHOOD
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.metrics.synthesis.scores import SCORES, SetScores
from ganatomy.tasks.shared.cohort import sample_training_images


def check_images(data: DataModule) -> None:
    """Raise UserError for patches, and for images that are smaller than what their score compares."""
    if data.patches is not None:
        raise UserError("data.patch: synthesis needs whole images; set data.patch=null and a data.size")
    if min(data.shape) < NEIGHBOURHOOD:
        sides = "x".join(map(str, data.shape))
        raise UserError(
            f"data.size: images of {sides} cannot be scored; give sides of {NEIGHBOURHOOD} or more"
        )


def all_references(set_scores: SetScores, data: DataModule, max_images: int, seed: int) -> dict[str, float]:
    """Compute the reference scores that are logged at validation.

    Args:
        set_scores: Scores against the real images of the split.
        data: Data of the run.
        max_images: Training images that the baselines are made from, at most.
        seed: Seed of the baselines' random numbers.

    Returns:
        `baseline/<baseline>/<score>` and `floor/<score>`, without the levels of scores that have levels.
    """
    found = {f"baseline/{name}": value for name, value in trivial(set_scores, data, max_images, seed).items()}
    found |= {f"floor/{name}": value for name, value in real(set_scores, data).items()}
    return {name: value for name, value in found.items() if name.endswith(SCORES)}


def trivial(set_scores: SetScores, data: DataModule, max_images: int, seed: int) -> dict[str, float]:
    """Score noise, the mean image, and samples along principal components of training images.

    Args:
        set_scores: Scores against the real images of the split.
        data: Data of the run.
        max_images: Training images that the baselines are made from, at most.
        seed: Seed of the baselines' random numbers.

    Returns:
        `<baseline>/<score>` to values.
    """
    sampled = training_planes(set_scores, data, max_images)
    baselines = trivial_images(sampled, len(set_scores.real), seed)
    return {
        f"{name}/{score}": value
        for name, images in baselines.items()
        for score, value in set_scores(images).items()
    }


def fault(scores: Mapping[str, float], trivial: float) -> str:
    """Return why synthetic images are worth nothing, for the user; empty if they are worth something.

    Args:
        scores: Their scores.
        trivial: SWD of the mean image.
    """
    if not scores["swd"] < trivial:
        return "they are farther from real ones than the mean image is"
    return "none of them is near a real one" if scores["coverage"] == 0 else ""


def real(set_scores: SetScores, data: DataModule) -> dict[str, float]:
    """Score training images; if they are fewer than the real set, against as many images of the set."""
    sampled = training_planes(set_scores, data, len(set_scores.real))
    if len(sampled) < len(set_scores.real):
        set_scores = SetScores(set_scores.real[: len(sampled)], imagenet="imagenet" in set_scores.describe)
    return set_scores(sampled)


def training_planes(set_scores: SetScores, data: DataModule, max_images: int) -> Tensor:
    """Sample training images evenly over the cohort.

    Args:
        set_scores: Scores whose device the images go to.
        data: Data of the run.
        max_images: Number of images, at most.

    Returns:
        Images [n, C, H, W]; of volumes the central planes as channels.
    """
    return central_planes(sample_training_images(data, max_images)).to(set_scores.real.device)
