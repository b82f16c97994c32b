"""Conditioning of the generator besides its noise: none, the class of each image, or its label map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.shared.volumes import one_hot

Arguments = tuple[Tensor, ...]


class Condition:
    """No conditioning: images from noise alone.

    Attributes:
        classes: Number of image classes that both players are conditioned on, or 0.
        masks: Number of label map classes that both players are conditioned on, or 0.
    """

    classes, masks = 0, 0

    def conditioning(self, batch: Batch) -> Arguments:
        """Return the arguments that both players get for the rows of a batch, after noise or image."""
        return ()

    def discriminator_inputs(self, images: Tensor, conditioning: Arguments) -> Arguments:
        """Return the arguments of the discriminator for images [B, C, *spatial]."""
        return (images, *conditioning)


class ClassCondition(Condition):
    """Conditioning on the class of every image, [B]: a further argument of both players."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def conditioning(self, batch: Batch) -> Arguments:
        return (batch["class"],)


class MaskCondition(Condition):
    """Conditioning on the label map of every image, one-hot [B, K, *spatial].

    The discriminator gets it as further channels of the image: Park et al., arXiv 1903.07291, appendix A.
    """

    def __init__(self, masks: int) -> None:
        self.masks = masks

    def conditioning(self, batch: Batch) -> Arguments:
        return (one_hot(batch["label"], self.masks),)

    def discriminator_inputs(self, images: Tensor, conditioning: Arguments) -> Arguments:
        (mask,) = conditioning
        return (torch.cat([images, mask.to(images.dtype)], 1),)


def condition(generator: nn.Module, discriminator: nn.Module | None) -> Condition:
    """Return the conditioning that the players' `classes`, or the generator's `label_channels`, ask for.

    Raises UserError if only one of two players is class-conditional.
    """
    classes, theirs = (int(getattr(player, "classes", 0)) for player in (generator, discriminator))
    if discriminator is not None and bool(classes) != bool(theirs):
        raise UserError(
            "model: the generator and the discriminator must both be class-conditional, or neither; choose "
            "networks that are alike in this"
        )
    if classes:
        return ClassCondition(classes)
    masks = getattr(generator, "label_channels", 0)
    return MaskCondition(int(masks)) if masks else Condition()
