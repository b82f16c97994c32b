"""Normalisation of the images that both players see: mean 0 and deviation 1/2, whatever the data's units."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.tasks.shared.cohort import sample_training_images

DEVIATION = 0.5
"""About that of photographs in -1 to 1, for which the papers choose their weights of gradient penalties."""
SAMPLED = 256
"""Training images from which the mean and the deviation are computed."""


class Normalisation(NamedTuple):
    """Map images to (image - offset) / scale, and back.

    The effect of a gradient penalty depends on the scale of its inputs.
    """

    offset: float = 0.0
    scale: float = 1.0

    def normalise(self, images: Tensor) -> Tensor:
        return (images - self.offset) / self.scale

    def denormalise(self, images: Tensor) -> Tensor:
        return images * self.scale + self.offset


def normalisation_of(data: DataModule) -> Normalisation:
    """Return the mean and twice the deviation of the training images, all channels together."""
    images = sample_training_images(data, SAMPLED).double()
    scale = float(images.std() / DEVIATION)
    return Normalisation(float(images.mean()), scale if scale > 0 else 1.0)


def resolve_normalisation(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """Return a task's settings with `offset` and `scale`; null is computed from the training images."""
    if given.get("offset") is not None and given.get("scale") is not None:
        return given
    found = normalisation_of(data)._asdict()
    return {**given, **{key: v if given.get(key) is None else given[key] for key, v in found.items()}}
