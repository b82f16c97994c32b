"""DCGAN's players, told which class an image is of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.networks.dcgan import DcganDiscriminator, DcganGenerator
from src.networks.layers import Start


class ConditionalGenerator(DcganGenerator):
    """Noise [B, latent] and classes [B] to images: the class goes beside the noise, one-hot.

    Mirza and Osindero, arXiv 1411.1784.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        classes: int,
        latent: int = 100,
        channels: int = 64,
        tanh: bool = False,
    ) -> None:
        super().__init__(spatial_dims, out_channels, size, latent + at_least_two(classes), channels, tanh)
        self.latent, self.classes = latent, classes

    def forward(self, z: Tensor, kind: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.cat([z, F.one_hot(kind, self.classes).to(z)], 1))


class ProjectionDiscriminator(DcganDiscriminator):
    """Images and classes [B] to [features of each layer..., logits [B, 1]].

    To the logit comes the product of the last features with a learned vector of the class. Miyato and Koyama,
    arXiv 1802.05637.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        classes: int,
        channels: int = 64,
        norm: bool = True,
        start: Start = "normal",
    ) -> None:
        super().__init__(spatial_dims, image_channels, size, channels, norm, start)
        self.classes = at_least_two(classes)
        self.vectors = class_vectors(classes, self.judge.in_features)

    def forward(self, x: Tensor, kind: Tensor) -> list[Tensor]:  # type: ignore[override]
        return projected(super().forward(x), self.vectors(kind))


def class_vectors(classes: int, length: int) -> nn.Embedding:
    """A vector for each class, drawn so that its product with features of variance 1 has variance 1."""
    vectors = nn.Embedding(classes, length)
    nn.init.normal_(vectors.weight, 0.0, length**-0.5)
    return vectors


def projected(answer: list[Tensor], vectors: Tensor) -> list[Tensor]:
    """[features..., logits [B, ...]] with the product of the last features and `vectors` [B, n] added to it.

    Miyato and Koyama, arXiv 1802.05637, eq. 3.
    """
    *seen, logits = answer
    own = (vectors * seen[-1].flatten(1)).sum(1)
    return [*seen, logits + own.reshape(-1, *[1] * (logits.dim() - 1))]


def at_least_two(classes: int) -> int:
    """The number of classes; UserError for data without them."""
    if classes < 2:
        raise UserError(
            f"classes: {classes} in these data; choose an unconditional model, such as model=fast"
        )
    return classes
