"""CenterNet's losses: focal on the centre map, L1 at the centres (Zhou et al. 2019, arXiv 1904.07850)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def centre_focal(logits: Tensor, truth: Tensor, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Mean over images of eq. 1: 1/N Σ of (1-p)^α log p at centres, (1-y)^β p^α log(1-p) elsewhere, negated.

    logits, truth [B,K,*cells]; truth is 1 at a centre and falls off around it. N counts the centres of an
    image, at least 1, so an image without objects is still taught to stay silent.
    """
    logits = logits.float()
    centre = truth == 1
    p = logits.sigmoid()
    positive = (1 - p) ** alpha * F.logsigmoid(logits)
    negative = (1 - truth) ** beta * p**alpha * F.logsigmoid(-logits)
    count = centre.flatten(1).sum(1).clamp_min(1)
    return -(torch.where(centre, positive, negative).flatten(1).sum(1) / count).mean()


def centre_l1(found: Tensor, truth: Tensor, places: Tensor) -> Tensor:
    """Mean over images of 1/N Σ |found - truth| over the N centres of an image; 0 for one without any.

    found [B,d,*cells]; places [M, 1 + d]: image and cell of each centre; truth [M,d].
    """
    batch, *cell = places.unbind(1)
    errors = (found.float().movedim(1, -1)[(batch, *cell)] - truth).abs().sum(1)
    count = torch.bincount(batch, minlength=len(found)).clamp_min(1)
    return (errors / count[batch]).sum() / len(found)
