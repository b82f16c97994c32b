"""Memorisation: has the generator copied training images? Its images beside the nearest of them."""

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

PAIRS = 6
"""Pairs in the picture."""
ROWS = 64
"""Training images that are read at a time."""
FINDINGS = {True: "copies are likely", False: "no sign of copies", None: "too few images to tell copies"}


class Memorisation(NamedTuple):
    """How near synthetic images come to training images.

    Attributes:
        fake: Mean correlation of synthetic images with their nearest training image.
        held_out: The same of held-out images.
        share: Fraction of synthetic images that come nearer than held-out images do.
        picture: The nearest pairs; its title is the finding.
    """

    fake: float
    held_out: float
    share: float
    picture: Picture


def measure_memorisation(
    data: DataModule, fake: Tensor, held_out: Tensor, window: tuple[float, float]
) -> Memorisation:
    """Search all training images for the nearest to each image.

    Args:
        data: Data of the run.
        fake: Synthetic images [n, C, H, W]; of volumes the central planes as channels.
        held_out: Held-out images of the same shape.
        window: Intensities that are drawn as black and white.

    Raises:
        UserError: A training case cannot be read.
    """
    views = PLANES if data.spatial_dims == 3 else 1
    found, _, neighbours = nearest(torch.cat([fake, held_out]), training_images(data), views)
    ours, theirs = torch.split(found, [len(fake), len(held_out)])
    share = copied_share(ours, theirs)
    closest = ours.argsort(descending=True)[:PAIRS]

    def drawn(images: Tensor) -> Pixels:
        return shown((images[:, :1] if data.spatial_dims == 3 else images).cpu().numpy(), window)

    columns = {
        "synthetic": drawn(fake[closest]),
        "nearest in training": drawn(neighbours[closest]),
    }
    picture = Picture(describe(ours, theirs), columns)
    return Memorisation(float(ours.mean()), float(theirs.mean()), share, picture)


def training_images(data: DataModule) -> Iterator[Tensor]:
    """Yield all training images without augmentation, [n, C, H, W]; of volumes the central planes."""
    cases = (
        torch.from_numpy(data.evaluated(record)["image"]).float()
        for record in data.labels.used(data.records["train"])
    )
    images = (image for case in cases for image in (case if data.sliced else central_planes(case[None])))
    while batch := list(islice(images, ROWS)):
        yield torch.stack(batch)


def withhold_finding(pictures: dict[str, Picture], why: str) -> list[str]:
    """Replace the finding "no sign of copies" in `pictures`: worthless images prove nothing.

    Args:
        pictures: Pictures of the test by name; that of the nearest pairs gets another title.
        why: Why the images are worth nothing.

    Returns:
        The finding for the user, if there is one.
    """
    if "nearest" not in pictures:
        return []
    if not pictures["nearest"].title.startswith(FINDINGS[False]):
        return [pictures["nearest"].title]
    line = "copies not judged: the images are worthless"
    pictures["nearest"] = pictures["nearest"]._replace(title=line)
    return [f"{line} ({why})"]


def describe(fake: Tensor, held_out: Tensor) -> str:
    """Return one line on memorisation, from correlations [n] with the nearest training image.

    `too near` is defined by `copied_share`.
    """
    share, expected = copied_share(fake, held_out), expected_share(len(held_out))
    return f"{FINDINGS[suspicious(fake, held_out)]}: {share:.0%} too near, {expected:.0%} expected"
