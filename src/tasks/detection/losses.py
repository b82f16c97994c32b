"""CenterNet's losses: focal on the centre map, those of the boxes at the centres (arXiv 1904.07850)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.centernet_targets import MIN_SIDE, Truth
from ganatomy.text.values import as_typed

Overlap = Literal["iou", "giou", "diou", "ciou"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
TINY = 1e-7
"""Added to denominators, in cells or cells^d: boxes without a volume have no overlap and no NaN."""
WEIGHTS: dict[str, float] = {
    "centre": 1.0,
    "size": 0.1,
    "offset": 1.0,
    "log_size": 0.0,
    **dict.fromkeys(OVERLAPS, 0.0),
}
"""Weight of each loss that is not given."""
INSTANCE_WEIGHTS = {"foreground": 1.0, "vote": 0.1}
"""Those that a task of instance maps has beside them."""


def loss_weights(given: Mapping[str, float], instances: bool = False) -> dict[str, float]:
    """Return the weight of each loss, as given or its default; UserError for what is no loss or no weight."""
    defaults = {**WEIGHTS, **INSTANCE_WEIGHTS} if instances else WEIGHTS
    if unknown := set(given) - set(defaults):
        why = "is no loss" if min(unknown) not in INSTANCE_WEIGHTS else "is a loss of task.instances=true"
        raise UserError(f"task.losses: {min(unknown)} {why}; choose among {', '.join(defaults)}")
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise UserError(
                f"task.losses.{name}: {as_typed(weight)}; give a weight of 0 (without this loss) or more"
            )
    weights = {**defaults, **given}
    if not weights["centre"]:
        raise UserError("task.losses.centre: 0; without it nothing is found; give a weight above 0")
    return weights


def box_losses(maps: Maps, truth: Truth, weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Return the losses whose weight is not 0, by name, each times its weight.

    `size`: L1 of sides in cells. `log_size`: L1 of their natural logarithms, so that objects of all sizes
    count alike. `iou`, `giou`, `diou`, `ciou`: of the decoded boxes. All boxes at the cells with an object.

    Args:
        maps: Found maps of a batch.
        truth: Their truth.
        weights: Weight of each loss.
    """
    size, offset = at(maps.size, truth.places), at(maps.offset, truth.places)

    def errors(name: str) -> Tensor:
        if name == "size":
            return (size - truth.size).abs().sum(1)
        if name == "offset":
            return (offset - truth.offset).abs().sum(1)
        if name == "log_size":
            return (size.clamp_min(MIN_SIDE).log() - truth.size.log()).abs().sum(1)
        return overlap_loss(name, corners(size, offset), corners(truth.size, truth.offset))  # type: ignore[arg-type]

    losses = {"centre": centre_focal(maps.centre, truth.centre)}
    for name, weight in weights.items():
        if weight and name != "centre":
            losses[name] = image_mean(errors(name), len(maps.size), truth.divisors)
    return {name: weights[name] * loss for name, loss in losses.items()}


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


def at(maps: Tensor, places: Tensor) -> Tensor:
    """Return the values of maps [B, d, *cells] at places [M, 1 + d], image and cell: float32 [M, d]."""
    batch, *cell = places.unbind(1)
    return maps.float().movedim(1, -1)[(batch, *cell)]


def corners(size: Tensor, offset: Tensor) -> Tensor:
    """Return boxes [M, 2*d], in cells from the lower corner of their own cell.

    Args:
        size: Sides in cells [M, d].
        offset: Centres in cells [M, d].
    """
    return torch.cat([offset - size / 2, offset + size / 2], 1)


def image_mean(errors: Tensor, images: int, divisors: Tensor) -> Tensor:
    """Return the mean over images of the sum of their errors, each over its divisor; 0-dim.

    An image without any counts 0.

    Args:
        errors: Error at each place [M].
        images: Number of images.
        divisors: Divisor of each error [M].
    """
    return (errors / divisors).sum() / images


def overlap_loss(kind: Overlap, found: Tensor, truth: Tensor) -> Tensor:
    """Return 1 minus an overlap of boxes, pair by pair [M]; 0 where they are equal.

    iou: intersection over union U. giou: IoU - (C - U)/C, with C the volume of the smallest box around both
    (Rezatofighi et al. 2019, arXiv 1902.09630). diou: IoU - ρ²/c², with ρ the distance of the centres and c
    the diagonal of that box. ciou: the same minus αv, where v compares the aspects and α = v/(1 - IoU + v)
    has no gradient (Zheng et al. 2020, arXiv 1911.08287); in 3D v is the mean over the pairs of axes.

    Args:
        kind: Which overlap.
        found: Found boxes [M, 2*d], lower corner then upper corner.
        truth: True boxes [M, 2*d].
    """
    dims = found.shape[1] // 2
    found, truth = found.float(), truth.float()
    low, high, true_low, true_high = found[:, :dims], found[:, dims:], truth[:, :dims], truth[:, dims:]
    sides, true_sides = high - low, true_high - true_low
    common = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp_min(0).prod(1)
    union = sides.prod(1) + true_sides.prod(1) - common
    iou = common / (union + TINY)
    if kind == "iou":
        return 1 - iou
    around = torch.maximum(high, true_high) - torch.minimum(low, true_low)
    if kind == "giou":
        volume = around.prod(1)
        return 1 - iou + (volume - union) / (volume + TINY)
    apart = ((low + high - true_low - true_high) / 2).square().sum(1)
    loss = 1 - iou + apart / (around.square().sum(1) + TINY)
    if kind == "diou":
        return loss
    v = aspect_difference(sides, true_sides)
    alpha = (v / (1 - iou + v + TINY)).detach()
    return loss + alpha * v


def aspect_difference(sides: Tensor, others: Tensor) -> Tensor:
    """Return v of CIoU, 4/π² (atan(w/h) - atan(w'/h'))², the mean over pairs of axes [M].

    Args:
        sides: Sides of boxes [M, d], above 0.
        others: Sides of the boxes they are compared with [M, d].
    """
    first, second = torch.triu_indices(sides.shape[1], sides.shape[1], 1, device=sides.device)
    angles = [torch.atan2(each[:, first], each[:, second]) for each in (sides, others)]
    return 4 / math.pi**2 * (angles[0] - angles[1]).square().mean(1)
