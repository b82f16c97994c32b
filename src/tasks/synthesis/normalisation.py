"""What both players of synthesis see: images of mean 0 and deviation 1/2, whatever units the data have."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.tasks.shared.cohort import sample_training_images

DEVIATION = 0.5
"""About that of photographs in -1 to 1, for which the papers choose their weights of gradient penalties."""
LOOKED_AT = 256
"""Training images that the mean and the deviation are taken of."""


class Units(NamedTuple):
    """seen = (image - offset) / scale. A penalty on slopes depends on the units of what is seen."""

    offset: float = 0.0
    scale: float = 1.0

    def seen(self, images: Tensor) -> Tensor:
        return (images - self.offset) / self.scale

    def back(self, seen: Tensor) -> Tensor:
        return seen * self.scale + self.offset


def units_of(data: DataModule) -> Units:
    """Mean and twice the deviation over the training images and all their channels."""
    images = sample_training_images(data, LOOKED_AT).double()
    scale = float(images.std() / DEVIATION)
    return Units(float(images.mean()), scale if scale > 0 else 1.0)


def settled(given: dict[str, Any], data: DataModule) -> dict[str, Any]:
    """A task's settings with `offset` and `scale`; those that are null from the training images."""
    if given.get("offset") is not None and given.get("scale") is not None:
        return given
    found = units_of(data)._asdict()
    return {**given, **{key: v if given.get(key) is None else given[key] for key, v in found.items()}}
