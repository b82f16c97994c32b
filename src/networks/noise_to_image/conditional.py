"""Class conditioning of generators (learned vectors) and discriminators (projection)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganatomy.errors import UserError


def noise_vectors(classes: int, length: int) -> nn.Embedding | None:
    """Return learned class vectors that a generator takes with the noise, or None for length 0.

    Mirza and Osindero, arXiv 1411.1784, do the same with a one-hot vector and the first layer's weights.
    Vectors start with a norm near 1, noise with one near sqrt(latent): if the classes weighed as much as the
    noise, all images of a class would become one.
    """
    if length < 0:
        raise UserError(f"embedding: {length} must be 0 or more")
    if not length:
        return None
    vectors = nn.Embedding(at_least_two(classes), length)
    nn.init.normal_(vectors.weight, 0.0, length**-0.5)
    return vectors


def with_class_vectors(z: Tensor, vectors: nn.Embedding | None, *kind: Tensor) -> Tensor:
    """Return noise [B, latent], followed by the vectors of the classes [B] if there are any.

    Args:
        z: Noise, [B, latent].
        vectors: Class vectors of `noise_vectors`.
        *kind: Class numbers [B], or nothing without vectors.

    Returns:
        [B, latent + length].
    """
    return z if vectors is None else torch.cat([z, vectors(*kind)], 1)


def class_vectors(classes: int, length: int) -> nn.Embedding:
    """Return class vectors for a discriminator.

    They are drawn so that the product with features of variance 1 has variance 1.
    """
    vectors = nn.Embedding(at_least_two(classes), length)
    nn.init.normal_(vectors.weight, 0.0, length**-0.5)
    return vectors


def projected(output: list[Tensor], vectors: nn.Embedding | None, *kind: Tensor) -> list[Tensor]:
    """Add the inner product of the last features and the class vectors to the logits.

    Miyato and Koyama, arXiv 1802.05637, eq. 3.

    Args:
        output: [features..., logits [B, ...]] of a discriminator.
        vectors: Class vectors of `class_vectors`; None leaves the output as it is.
        *kind: Class numbers [B], or nothing without vectors.

    Returns:
        [features..., logits [B, ...]].
    """
    if vectors is None:
        return output
    *features, logits = output
    class_logits = (vectors(*kind) * features[-1].flatten(1)).sum(1)
    return [*features, logits + class_logits.reshape(-1, *[1] * (logits.dim() - 1))]


def at_least_two(classes: int) -> int:
    """Return the number of classes; UserError for data without classes."""
    if classes < 2:
        raise UserError(
            f"data.image_classes: there are {classes}, and this model draws by class; choose another, such "
            "as model=fast"
        )
    return classes
