"""What the scores of synthetic images stand beside: images that cost nothing to make, and real ones."""

from __future__ import annotations

from torch import Tensor

from ganatomy.baselines.synthesis import trivial_images
from ganatomy.data.datamodule import DataModule
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.metrics.synthesis.scores import SCORES, SetScores
from ganatomy.tasks.shared.cohort import sample_training_images


def all_of(judge: SetScores, data: DataModule, most: int, seed: int) -> dict[str, float]:
    """`baseline/<baseline>/<score>` and `floor/<score>`, without the levels of scores that have some."""
    found = {f"baseline/{name}": value for name, value in trivial(judge, data, most, seed).items()}
    found |= {f"floor/{name}": value for name, value in real(judge, data).items()}
    return {name: value for name, value in found.items() if name.endswith(SCORES)}


def trivial(judge: SetScores, data: DataModule, most: int, seed: int) -> dict[str, float]:
    """`<baseline>/<score>` of noise, the mean image and samples of principal components, made of up to `most`
    training images."""
    rivals = trivial_images(training(judge, data, most), len(judge.real), seed)
    return {f"{name}/{score}": v for name, made in rivals.items() for score, v in judge(made).items()}


def real(judge: SetScores, data: DataModule) -> dict[str, float]:
    """Scores of training images; where these are fewer than the judge's, beside as many of its."""
    own = training(judge, data, len(judge.real))
    if len(own) < len(judge.real):
        judge = SetScores(judge.real[: len(own)], imagenet="imagenet" in judge.describe)
    return judge(own)


def training(judge: SetScores, data: DataModule, most: int) -> Tensor:
    """Up to `most` training images [n, C, H, W], spread evenly over the cohort, where the judge's are."""
    return central_planes(sample_training_images(data, most)).to(judge.real.device)
