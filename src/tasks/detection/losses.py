"""CenterNet's losses: focal on the centre map, L1 at the centres (Zhou et al. 2019, arXiv 1904.07850)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.errors import UserError


def loss_weights(given: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each loss, as given or its default; UserError for a loss that does not exist."""
    weights = {"centre": 1.0, "size": 0.1, "offset": 1.0}
    if unknown := set(given) - set(weights):
        raise UserError(f"task.losses: {unknown.pop()} is no loss; choose among centre, size, offset")
    return {**weights, **given}


def centre_focal(logits: Tensor, truth: Tensor, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Return the focal loss of eq. 1, 0-dim: a mean over images.

    -1/N Σ of (1-p)^α log p at centres and (1-y)^β p^α log(1-p) elsewhere. N is the number of centres of the
    image, at least 1, so images without objects still train the background.

    Args:
        logits: Centre logits [B, K, *cells].
        truth: Centre map y [B, K, *cells]: 1 at a centre, falling off around it.
        alpha: Exponent α of the focusing factor.
        beta: Exponent β of the weight near centres.
    """
    logits = logits.float()
    centre = truth == 1
    p = logits.sigmoid()
    positive = (1 - p) ** alpha * F.logsigmoid(logits)
    negative = (1 - truth) ** beta * p**alpha * F.logsigmoid(-logits)
    count = centre.flatten(1).sum(1).clamp_min(1)
    return -(torch.where(centre, positive, negative).flatten(1).sum(1) / count).mean()


def centre_l1(maps: Tensor, truth: Tensor, places: Tensor) -> Tensor:
    """Return the L1 loss at the centres, 0-dim: the mean over images of 1/N Σ |maps - truth|.

    N is the number of centres of the image; an image without any counts 0.

    Args:
        maps: Sizes or offsets [B, d, *cells].
        truth: Their true values at the centres [M, d].
        places: Image and cell of each centre [M, 1 + d].
    """
    batch, *cell = places.unbind(1)
    errors = (maps.float().movedim(1, -1)[(batch, *cell)] - truth).abs().sum(1)
    count = (batch[:, None] == torch.arange(len(maps), device=batch.device)).sum(0).clamp_min(1)
    return (errors / count[batch]).sum() / len(maps)
