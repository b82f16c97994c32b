"""All scores of a set of synthetic images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganatomy.metrics.synthesis.checkerboard import checkerboard_index
from ganatomy.metrics.synthesis.coverage import Coverage
from ganatomy.metrics.synthesis.distance import SlicedWasserstein
from ganatomy.metrics.synthesis.features import RandomConvolutions
from ganatomy.metrics.synthesis.imagenet import BLUR, ImageNetFeatures
from ganatomy.metrics.synthesis.kernel import KernelDistance
from ganatomy.metrics.synthesis.variety import pair_similarity

SCORES = ("swd", "kid/random", "density", "coverage", "ms_ssim", "checkerboard")


class SetScores:
    """Scores of synthetic sets against one real set [n, C, H, W], whose side of each score is computed once.

    `imagenet` adds scores on the features of `ImageNetFeatures`.
    """

    def __init__(self, real: Tensor, imagenet: bool = False) -> None:
        self.real, convolutions = real, RandomConvolutions(real)
        self.describe: dict[str, Callable[[Tensor], Tensor]] = {"random": convolutions}
        features = {"random": convolutions.of_real}
        if imagenet:
            networks = {"imagenet": ImageNetFeatures(real), "blurred": ImageNetFeatures(real, BLUR)}
            self.describe |= networks
            features |= {name: describe(real) for name, describe in networks.items()}
        self.levels = SlicedWasserstein(real)
        self.kernels = {name: KernelDistance(found) for name, found in features.items()}
        self.coverages = {name: Coverage(found) for name, found in features.items() if name != "blurred"}
        self.black, self.data_range = real.min(), float(real.max() - real.min())

    def __call__(self, fake: Tensor) -> dict[str, float]:
        """Compute the scores of a set of as many images; `swd` is the mean over the levels `swd/<height>`.

        `kid/random` is the kernel distance on random convolutions, times 1000: not comparable with one on
        other features. `kid/imagenet` is the same on those of ImageNet, `kid/blurred` on those of images
        under a faint blur.
        """
        levels = self.levels(fake)
        features = {name: describe(fake) for name, describe in self.describe.items()}
        density, coverage = self.coverages["random"](features["random"])
        found = {
            "swd": sum(levels.values()) / len(levels),
            **{f"swd/{height}": value for height, value in levels.items()},
            **{f"kid/{name}": 1000 * kernel(features[name]) for name, kernel in self.kernels.items()},
            "density": density,
            "coverage": coverage,
            "ms_ssim": pair_similarity(fake - self.black, self.data_range),
            "checkerboard": checkerboard_index(fake),
        }
        if "imagenet" in features:
            of_photographs = self.coverages["imagenet"](features["imagenet"])
            found["density/imagenet"], found["coverage/imagenet"] = of_photographs
        return found


def scores_against(real: Tensor, imagenet: bool, kept: SetScores | None) -> SetScores:
    """Return the scores against a real set: those that are kept if they are of the same images.

    Args:
        real: Real images [n, C, H, W].
        imagenet: Add scores on the features of `ImageNetFeatures`.
        kept: Scores of an earlier validation.
    """
    if kept is None or ("imagenet" in kept.describe) != imagenet or not torch.equal(kept.real, real):
        return SetScores(real, imagenet)
    return kept
