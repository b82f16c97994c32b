"""Translated images compared with images of the target side as sets, which needs no pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch, Split
from ganatomy.metrics.synthesis.distance import NEIGHBOURHOOD, SlicedWasserstein
from ganatomy.metrics.synthesis.features import RandomConvolutions
from ganatomy.metrics.synthesis.kernel import KernelDistance
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.tasks.shared.fixed_noise import row_names

NAMES = ("swd", "kid/random")
MAX_IMAGES = 1000
"""Images of a set that are compared, at most."""
FEWEST, FEWEST_OF_KERNEL = 2, 10
"""Images that a distance of sets needs, and that the kernel distance needs: of fewer it is any number."""


class TargetSets(nn.Module):
    """Distances of sets of translated images to the target side's images of the same split.

    SWD and kernel distance as in synthesis, in the network's units, on as many images of either set as the
    smaller one has. Of volumes the central planes count. Images of other sides than those of training count
    by their middle.

    Args:
        sources: Stages and baselines.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: ImagePool(MAX_IMAGES) for name in sources})
        self.sides: tuple[int, ...] | None = None
        self.data: DataModule | None = None
        self.real: dict[str, Tensor] = {}
        self.last: tuple[Tensor, Callable[[Tensor], dict[str, float]]] | None = None

    def know(self, data: DataModule, sides: Sequence[int] | None) -> None:
        """Take over the data, and the sides of the images that are compared; None: those of the first image.

        Args:
            data: Data of the run, or cases to be scored.
            sides: Sides on the network's grid.
        """
        self.data, self.sides = data, None if sides is None else tuple(sides)
        self.real = {}

    def update(self, name: str, batch: Batch, rows: list[int], fake: Tensor) -> None:
        """Add the images of one case, and its targets where it has its own.

        Args:
            name: Stage or baseline.
            batch: Evaluation batch.
            rows: Rows of the case.
            fake: Translated images of these rows, [n, K, *spatial].
        """
        if self.sides is None:
            self.sides = tuple(fake.shape[2:])
        own_names = row_names({key: batch[key] for key in ("case", "slice") if key in batch})
        own = batch["target"][rows] if "target" in batch else fake
        planes = (central_planes(on_sides(images.float(), self.sides)) for images in (own, fake))
        self.pools[name].update([own_names[row] for row in rows], *planes)  # type: ignore[operator]

    def scores(self, name: str, split: Split, paired: bool) -> dict[str, float]:
        """Return the distances of a source's images, and start anew; every process must call it.

        Args:
            name: Stage or baseline.
            split: Split of the target side.
            paired: Each image came with its own target.
        """
        pool: Any = self.pools[name]
        own, fake = pool.compute()
        pool.reset()
        real = own if paired or not len(fake) else self._real(split).to(fake.device)
        return self._distances(fake, real)

    def floor(self, split: Split, paired: bool) -> dict[str, float]:
        """Return the distances of the target side's training images, which a translation can hardly beat.

        Args:
            split: Split that they are compared with.
            paired: The targets of that split came with their images.
        """
        if self.data is None or not self.data.records.get("train"):
            return {}
        real = self._real(split)
        return self._distances(self._real("train"), real) if len(real) else {}

    def _distances(self, fake: Tensor, real: Tensor) -> dict[str, float]:
        count = min(len(fake), len(real))
        if count < FEWEST or min(real.shape[2:]) < NEIGHBOURHOOD:
            return dict.fromkeys(NAMES, float("nan"))
        fake, real = spread(fake, count), spread(real, count)
        if self.last is None or not torch.equal(self.last[0], real):
            self.last = (real, _distance_to(real))
        return self.last[1](fake)

    def _real(self, split: Split) -> Tensor:
        """Return the target side's images of a split [n, C, H, W], read once; alike in every process."""
        if split not in self.real:
            images = list(target_images(self.data, split)) if self.data is not None else []
            sides = self.sides
            assert sides is not None or not images
            planes = [central_planes(on_sides(image, sides or ())) for image in images]
            found = torch.cat(planes) if planes else torch.empty(0, 1, 1, 1)
            self.real[split] = spread(found, min(len(found), MAX_IMAGES))
        return self.real[split]


def target_images(data: DataModule, split: Split) -> Iterator[Tensor]:
    """Yield the images of each case's target in a split, [n, C, *spatial]; of slices n is their number."""
    records = data.target_cases(split)
    for record in records[:: max(1, len(records) // MAX_IMAGES)]:
        image = torch.from_numpy(np.array(data.evaluated_target(record)["target"], np.float32))
        yield image if data.sliced else image[None]


def _distance_to(real: Tensor) -> Callable[[Tensor], dict[str, float]]:
    levels, describe = SlicedWasserstein(real), RandomConvolutions(real)
    kernel = KernelDistance(describe.of_real) if len(real) >= FEWEST_OF_KERNEL else None

    def distances(fake: Tensor) -> dict[str, float]:
        found = levels(fake)
        kid = float("nan") if kernel is None else 1000 * kernel(describe(fake))
        return {"swd": sum(found.values()) / len(found), "kid/random": kid}

    return distances


def spread(images: Tensor, count: int) -> Tensor:
    """Return `count` images, evenly spread over those given."""
    return images[np.linspace(0, len(images) - 1, count).round().astype(int)] if count else images[:0]


def on_sides(images: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the middle of images [n, C, *spatial] of these sides; smaller ones are padded by their edges."""
    margins: list[int] = []
    for axis, wanted in enumerate(sides, 2):
        extra = images.shape[axis] - wanted
        if extra > 0:
            images = images.narrow(axis, extra // 2, wanted)
        before = max(-extra, 0) // 2
        margins = [before, max(-extra, 0) - before, *margins]
    return F.pad(images, margins, mode="replicate") if any(margins) else images
