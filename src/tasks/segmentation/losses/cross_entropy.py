"""Cross entropy of class maps that repeats itself to the last bit where the run asks for that."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, target: Tensor, reduction: Literal["mean", "none"] = "mean") -> Tensor:
    """Return -log softmax(logits) at the target's class.

    On a GPU torch's own kernel for maps adds in no fixed order, and torch refuses it with
    `trainer.deterministic=true`; there the class is picked from the log-softmax instead.

    Args:
        logits: [B, K, *spatial].
        target: Class numbers [B, *spatial].
        reduction: "mean" for a 0-dim mean, "none" for [B, *spatial].
    """
    if logits.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled():
        return F.cross_entropy(logits, target, reduction=reduction)
    losses = picked(logits, target)
    return losses.mean() if reduction == "mean" else losses


def picked(logits: Tensor, target: Tensor) -> Tensor:
    """Return [B, *spatial]: the cross entropy of logits [B, K, *spatial], picked from their log-softmax."""
    return -logits.log_softmax(1).gather(1, target[:, None]).squeeze(1)
