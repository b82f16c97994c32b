"""What a discriminator is shown of truth and prediction, so that it finds neither by its hardness alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Masks = Literal["soft", "softened", "straight_through"]
LEAST = 0.9
"""Of a softened truth: what the true class has at least."""


def one_hot(label: Tensor, like: Tensor) -> Tensor:
    """[B, 1, *spatial] whole numbers as [B, K, *spatial], of the type and with the K channels of `like`."""
    return F.one_hot(label.squeeze(1).long(), like.shape[1]).movedim(-1, 1).to(like.dtype)


def soft(label: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """One-hot truth against probabilities, which a discriminator can tell apart without looking at shapes."""
    shares = logits.softmax(1)
    return one_hot(label, shares), shares


def softened(label: Tensor, logits: Tensor, least: float = LEAST) -> tuple[Tensor, Tensor]:
    """The truth as soft as the prediction: the distribution nearest to it with `least` at the true class.

    The true class has max(least, p), the others share the rest as in the prediction. No gradient passes
    through the truth. Luc et al., arXiv 1611.08408, section 3.2 ("scaling").
    """
    shares = logits.softmax(1)
    fixed = shares.detach()
    truth = one_hot(label, fixed)
    own = (fixed * truth).sum(1, keepdim=True)
    top = own.clamp_min(least)
    rest = (1 - top) / (1 - own).clamp_min(torch.finfo(own.dtype).tiny)
    return truth * top + fixed * (1 - truth) * rest, shares


def straight_through(label: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """One-hot truth against the one-hot prediction, whose gradient is that of the probabilities.

    Bengio et al., arXiv 1308.3432.
    """
    shares = logits.softmax(1)
    hard = one_hot(shares.argmax(1, keepdim=True), shares)
    return one_hot(label, shares), hard + (shares - shares.detach())


MASKS: dict[Masks, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "soft": soft,
    "softened": softened,
    "straight_through": straight_through,
}


def masked(image: Tensor, mask: Tensor) -> Tensor:
    """[B, C, *spatial] and [B, K, *spatial] to [B, (K - 1) C, *spatial]: a masked image a class.

    The background has none. Xue et al. (SegAN), arXiv 1706.01805, section 2.
    """
    return (image[:, None] * mask[:, 1:, None]).flatten(1, 2)
