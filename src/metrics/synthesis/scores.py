"""All the scores of a set at once."""

from __future__ import annotations

from torch import Tensor

from src.metrics.synthesis.checkerboard import checkerboard_index
from src.metrics.synthesis.coverage import density_and_coverage
from src.metrics.synthesis.distance import sliced_wasserstein
from src.metrics.synthesis.features import RandomConvolutions
from src.metrics.synthesis.imagenet import ImageNetFeatures
from src.metrics.synthesis.kernel import kernel_distance
from src.metrics.synthesis.variety import pair_similarity

SCORES = ("swd", "kid/random", "density", "coverage", "ms_ssim", "checkerboard")


class Judge:
    """Compares sets with one real set [n, C, H, W]. imagenet: also on the features of `ImageNetFeatures`."""

    def __init__(self, real: Tensor, imagenet: bool = False) -> None:
        self.real = real
        self.describe = RandomConvolutions(real)
        self.features = self.describe(real)
        self.photographs = ImageNetFeatures(real) if imagenet else None
        self.seen = self.photographs(real) if self.photographs is not None else None
        self.data_range = float(real.max() - real.min())

    def __call__(self, fake: Tensor) -> dict[str, float]:
        """Scores of a set of as many images; `swd` is the mean over the levels `swd/<height>`.

        `kid/random` is the kernel distance on random convolutions, times 1000: comparable with nothing that
        used other features. `kid/imagenet` is the same on those of ImageNet.
        """
        levels = sliced_wasserstein(fake, self.real)
        features = self.describe(fake)
        kernels = {"kid/random": 1000 * kernel_distance(features, self.features)}
        if self.photographs is not None and self.seen is not None:
            kernels["kid/imagenet"] = 1000 * kernel_distance(self.photographs(fake), self.seen)
        density, coverage = density_and_coverage(features, self.features)
        return {
            "swd": sum(levels.values()) / len(levels),
            **{f"swd/{height}": value for height, value in levels.items()},
            **kernels,
            "density": density,
            "coverage": coverage,
            "ms_ssim": pair_similarity(fake, self.data_range),
            "checkerboard": checkerboard_index(fake),
        }
