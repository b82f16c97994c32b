"""Has a generator learned training images by heart? Its images beside the nearest of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.metrics.synthesis.memorisation import copied_share, expected_share, nearest, suspicious
from ganatomy.metrics.synthesis.planes import PLANES, central_planes
from ganatomy.pictures import Picture, shown
from ganatomy.pictures.draw import Pixels

SHOWN = 6
"""Pairs in the picture."""
ROWS = 64
"""Training images that are read at a time."""
VERDICTS = {True: "copies are likely", False: "no sign of copies", None: "too few images to tell copies"}


class Copies(NamedTuple):
    """Mean correlation with the nearest training image, of fakes and of held-out images; the share of fakes
    that come nearer than held-out images do; the nearest pairs."""

    fake: float
    held_out: float
    share: float
    picture: Picture


def look_for_copies(data: DataModule, fake: Tensor, held_out: Tensor, window: tuple[float, float]) -> Copies:
    """fake, held_out: images [n, C, H, W], or of volumes the central planes as channels.

    Every training image is looked at. UserError for data that cannot be read.
    """
    views = PLANES if data.spatial_dims == 3 else 1
    ours, _, twins = nearest(fake, training_images(data), views)
    theirs, _, _ = nearest(held_out, training_images(data), views)
    share = copied_share(ours, theirs)
    closest = ours.argsort(descending=True)[:SHOWN]

    def drawn(images: Tensor) -> Pixels:
        return shown((images[:, :1] if data.spatial_dims == 3 else images).cpu().numpy(), window)

    columns = {
        "synthetic": drawn(fake[closest]),
        "nearest in training": drawn(twins[closest]),
    }
    picture = Picture(verdict(ours, theirs), columns)
    return Copies(float(ours.mean()), float(theirs.mean()), share, picture)


def training_images(data: DataModule) -> Iterator[Tensor]:
    """All the training images without augmentation, [n, C, H, W] at a time; of volumes the central planes."""
    cases = (
        torch.from_numpy(data.evaluated(record)["image"]).float()
        for record in data.labels.used(data.records["train"])
    )
    images = (image for case in cases for image in (case if data.sliced else central_planes(case[None])))
    while batch := list(islice(images, ROWS)):
        yield torch.stack(batch)


def verdict(fake: Tensor, held_out: Tensor) -> str:
    """One line on whether training images were learned by heart; too near means what `copied_share` does.

    fake, held_out: [n] correlations with the nearest training image.
    """
    share, expected = copied_share(fake, held_out), expected_share(len(held_out))
    return f"{VERDICTS[suspicious(fake, held_out)]}: {share:.0%} too near, {expected:.0%} expected"
