"""Encodings of truth and prediction for the discriminator, which must not tell them by softness alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ganatomy.tasks.segmentation.classes import Labelling
from ganatomy.tasks.shared.volumes import likeliest, one_hot

Masks = Literal["soft", "softened", "straight_through"]
MIN_TRUE = 0.9
"""Smallest probability of the true class in a softened truth."""


def _alike(label: Tensor, like: Tensor) -> Tensor:
    return one_hot(label, like.shape[1], like.dtype)


def soft(label: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (one-hot truth, probabilities), which differ in softness alone, whatever the shapes."""
    probabilities = logits.softmax(1)
    return _alike(label, probabilities), probabilities


def softened(label: Tensor, logits: Tensor, min_true: float = MIN_TRUE) -> tuple[Tensor, Tensor]:
    """Return (truth as soft as the prediction, probabilities).

    The true class gets max(min_true, p), the others the rest in the proportions of the prediction. No
    gradient flows through the truth. Luc et al., arXiv 1611.08408, section 3.2 ("scaling").

    Args:
        label: Class numbers [B, 1, *spatial].
        logits: Prediction [B, K, *spatial].
        min_true: Smallest probability of the true class.

    Returns:
        Two tensors [B, K, *spatial] that sum to 1 over the classes.
    """
    probabilities = logits.softmax(1)
    fixed = probabilities.detach()
    label = label.long()
    own = fixed.gather(1, label)
    raised = own.clamp_min(min_true)
    rest = (1 - raised) / (1 - own).clamp_min(torch.finfo(own.dtype).tiny)
    return (fixed * rest).scatter_(1, label, raised), probabilities


def straight_through(label: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (one-hot truth, one-hot prediction with the gradient of the probabilities).

    Bengio et al., arXiv 1308.3432.
    """
    probabilities = logits.softmax(1)
    hard = _alike(likeliest(probabilities.detach()), probabilities)
    return _alike(label, probabilities), hard + (probabilities - probabilities.detach())


def soft_regions(truth: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (truth, probabilities) of overlapping regions, as `soft` does of classes."""
    probabilities = logits.sigmoid()
    return truth.to(probabilities.dtype), probabilities


def softened_regions(truth: Tensor, logits: Tensor, min_true: float = MIN_TRUE) -> tuple[Tensor, Tensor]:
    """Return (truth as soft as the prediction, probabilities) of overlapping regions.

    Each region is a question of its own, in or out: the true answer gets max(min_true, p), as in `softened`
    of two classes.

    Args:
        truth: Truth of each region [B, K, *spatial], 0 or 1.
        logits: Prediction [B, K, *spatial].
        min_true: Smallest probability of the true answer.
    """
    probabilities = logits.sigmoid()
    fixed, inside = probabilities.detach(), truth > 0.5
    raised = torch.where(inside, fixed, 1 - fixed).clamp_min(min_true)
    return torch.where(inside, raised, 1 - raised), probabilities


def straight_through_regions(truth: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (truth, prediction of 0 or 1 with the gradient of the probabilities) of overlapping regions."""
    probabilities = logits.sigmoid()
    hard = (probabilities > 0.5).to(probabilities.dtype)
    return truth.to(probabilities.dtype), hard + (probabilities - probabilities.detach())


MASKS: dict[Masks, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "soft": soft,
    "softened": softened,
    "straight_through": straight_through,
}
REGIONS: dict[Masks, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "soft": soft_regions,
    "softened": softened_regions,
    "straight_through": straight_through_regions,
}


def encoded(
    masks: Masks, labelling: Labelling, label: Tensor, logits: Tensor, valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return (truth, prediction) [B, K, *spatial] as the discriminator sees them.

    Where the truth is not valid both are background, whatever label or prediction say, so that nothing can be
    learned of them there.

    Args:
        masks: Encoding.
        labelling: What the channels mean.
        label: Class numbers [B, 1, *spatial].
        logits: Prediction [B, K, *spatial].
        valid: Where the truth counts, bool [B, 1, *spatial]; None for everywhere.
    """
    if valid is not None:
        label = label.where(valid, 0)
    known = labelling.truth(label) if labelling.sigmoid else label
    truth, prediction = (REGIONS if labelling.sigmoid else MASKS)[masks](known, logits)
    if valid is None:
        return truth, prediction
    nothing = labelling.truth(torch.zeros_like(label[:1])).to(prediction.dtype)
    return torch.where(valid, truth, nothing), torch.where(valid, prediction, nothing)


def masked(image: Tensor, mask: Tensor, first: int = 1) -> Tensor:
    """Mask an image [B, C, *spatial] by each class of a mask [B, K, *spatial]: [B, (K - first) C, *spatial].

    The background is left out. Xue et al. (SegAN), arXiv 1706.01805, section 2.

    Args:
        image: Images.
        mask: Masks.
        first: First channel that is no background: 1 for classes, 0 for regions.
    """
    return (image[:, None] * mask[:, first:, None]).flatten(1, 2)
