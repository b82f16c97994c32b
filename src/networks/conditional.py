"""How players are told which class an image is of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.errors import UserError


def noise_vectors(classes: int, length: int) -> nn.Embedding | None:
    """For a generator: a learned vector for each class, to go beside the noise; None for length 0.

    What Mirza and Osindero, arXiv 1411.1784, do with a one-hot vector and the first layer's weights. Vectors
    begin with a norm near 1, and noise has one near sqrt(latent): where classes weigh as much, the images of
    each become one.
    """
    if length < 0:
        raise UserError(f"embedding: {length} must be 0 or more")
    if not length:
        return None
    vectors = nn.Embedding(at_least_two(classes), length)
    nn.init.normal_(vectors.weight, 0.0, length**-0.5)
    return vectors


def beside(z: Tensor, vectors: nn.Embedding | None, *kind: Tensor) -> Tensor:
    """Noise [B, latent], and behind it the vectors of classes [B] where there are any."""
    return z if vectors is None else torch.cat([z, vectors(*kind)], 1)


def class_vectors(classes: int, length: int) -> nn.Embedding:
    """For a discriminator: a vector for each class, drawn so that its product with features of variance 1 has
    variance 1."""
    vectors = nn.Embedding(at_least_two(classes), length)
    nn.init.normal_(vectors.weight, 0.0, length**-0.5)
    return vectors


def projected(answer: list[Tensor], vectors: nn.Embedding | None, *kind: Tensor) -> list[Tensor]:
    """[features..., logits [B, ...]]; the product of the last features and the classes' vectors joins these.

    Miyato and Koyama, arXiv 1802.05637, eq. 3.
    """
    if vectors is None:
        return answer
    *seen, logits = answer
    own = (vectors(*kind) * seen[-1].flatten(1)).sum(1)
    return [*seen, logits + own.reshape(-1, *[1] * (logits.dim() - 1))]


def at_least_two(classes: int) -> int:
    """The number of classes; UserError for data without them."""
    if classes < 2:
        raise UserError(
            f"classes: {classes} in these data; choose an unconditional model, such as model=fast"
        )
    return classes
