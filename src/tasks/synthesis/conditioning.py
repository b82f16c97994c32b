"""What a generator is told beside its noise: nothing, the class of each image, or its label map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.data.records import Batch
from ganatomy.errors import UserError

Seen = tuple[Tensor, ...]


class Condition:
    """Nothing: images of noise alone. `classes` or `masks` is how many there are where they are told."""

    classes, masks = 0, 0

    def told(self, batch: Batch) -> Seen:
        """What both players get for the rows of a batch, after noise or image."""
        return ()

    def beside(self, images: Tensor, told: Seen) -> Seen:
        """Images as the discriminator sees them: its arguments."""
        return (images, *told)


class OfClass(Condition):
    """The class of every image, [B], a further argument of both players."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def told(self, batch: Batch) -> Seen:
        return (batch["class"],)


class OfMask(Condition):
    """The label map of every image, one-hot [B, K, *spatial]; the discriminator sees it as further channels.

    Park et al., arXiv 1903.07291, appendix A.
    """

    def __init__(self, masks: int) -> None:
        self.masks = masks

    def told(self, batch: Batch) -> Seen:
        return (F.one_hot(batch["label"].squeeze(1).long(), self.masks).movedim(-1, 1).float(),)

    def beside(self, images: Tensor, told: Seen) -> Seen:
        (mask,) = told
        return (torch.cat([images, mask.to(images.dtype)], 1),)


def condition(generator: nn.Module, discriminator: nn.Module | None) -> Condition:
    """What these players say of themselves: `classes`, 0 if not told, or, the generator, `label_channels`."""
    classes, theirs = (int(getattr(player, "classes", 0)) for player in (generator, discriminator))
    if bool(classes) != bool(theirs):
        raise UserError("model: one player is told the classes and the other is not")
    if classes:
        return OfClass(classes)
    masks = getattr(generator, "label_channels", 0)
    return OfMask(int(masks)) if masks else Condition()
