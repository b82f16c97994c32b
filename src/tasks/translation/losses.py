"""Losses of a translation against its target, as means over a region of the batch of all processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from monai.losses import GlobalMutualInformationLoss, LocalNormalizedCrossCorrelationLoss
from monai.metrics.regression import compute_ssim_and_cs
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import batch_sum
from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.data.transforms.intensity import Intensity, ends, one_each
from ganatomy.errors import UserError
from ganatomy.tasks.shared.weighted import one_number, weighted

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
WINDOW, SIGMA = 11, 1.5
"""Side of SSIM's window and its deviation, in pixels. Wang et al., IEEE TIP 2004."""
LOCAL = 9
"""Side of the window of the local correlation, in pixels, as in VoxelMorph (arXiv 1809.05231)."""
BINS = 32
"""Intensities that mutual information tells apart."""
Z_SCORES = 5.0
"""Assumed range of intensities that are not mapped to 0 to 1."""
MARGIN = 0.1
"""Room beyond the target's intensities, as a part of their range, where an output still counts."""


def weighted_losses(weights: Mapping[str, Any], dims: int, data_range: float) -> dict[str, Loss]:
    """Return the losses of (output, target, mask) by name, times their weights.

    Output and target are [B, K, *spatial], the mask is [B, 1, *spatial] of bool, or None for the whole image.
    Every loss is a mean over the mask's elements in the batch of all processes; 0 where the mask is empty.

    - l1, mse: mean |d| and mean d² of d = output - target.
    - gradient: mean |∇d| over neighbours that both lie in the mask; see `gradient_difference`.
    - ssim: 1 - SSIM, the mean over the windows within the image whose centre lies in the mask.
    - lncc: 1 - squared correlation in windows of 9 pixels, likewise. Blind to brightness and contrast.
    - mi: minus the mutual information of the voxels in the mask, in nats, the mean over images and channels.
      Blind to any one-to-one change of intensities, so not a loss to use alone.

    What lies outside of the mask is replaced by the target before ssim and lncc, so that no window sees the
    output there. A user's own loss has any other name and is a callable that returns one number: of
    (output, target, mask) if it has an argument `mask`, else of (output, target) with the outside replaced.

    Args:
        weights: Weight of each loss by its name, or {"weight": ..., "loss": ...} for a user's own. Losses of
            weight 0 are left out.
        dims: 2 or 3.
        data_range: Range of the target's intensities in the network's units, for ssim and lncc.

    Raises:
        UserError: A name is unknown, or a weight is no number of 0 or more.

    Example:
        >>> target, mask = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
        >>> mask[..., :2] = True
        >>> losses = weighted_losses({"l1": 2.0}, dims=2, data_range=1.0)
        >>> losses["l1"](torch.where(mask, 0.5, 9.0), target, mask)
        tensor(1.)
    """
    known: dict[str, Loss] = {
        "l1": _l1,
        "mse": _mse,
        "ssim": partial(_ssim, dims, data_range),
        "gradient": _gradient,
        "lncc": partial(
            _correlation, LocalNormalizedCrossCorrelationLoss(dims, LOCAL, reduction="none"), data_range
        ),
        "mi": partial(_information, GlobalMutualInformationLoss(num_bins=BINS, reduction="none")),
    }
    return {
        name: partial(_times, _own(name, loss) if own else loss, weight)
        for name, (weight, loss, own) in weighted(weights, known, "(output, target[, mask])").items()
    }


def range_of(intensity: Intensity) -> float:
    """Return the range of normalised intensities that losses reckon with: 1 if mapped to 0 to 1, else 5.

    Example:
        >>> range_of([-1024, 1500]), range_of("zscore"), range_of(["percentile", "range"])
        (1.0, 5.0, 1.0)
    """
    each = one_each(intensity) or [intensity]
    mapped = all(ends(one) or str(one).startswith(("range", "percentile")) for one in each)
    return 1.0 if mapped else Z_SCORES


def region_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of the values in a mask over the batch of all processes, 0-dim; 0 for an empty mask.

    With `update.accumulate` the batch is the micro-batch.

    Args:
        values: [B, K, *spatial].
        mask: [B, 1, *spatial], bool, or weights of 0 and more; None for the plain mean, which needs no
            exchange between processes.
    """
    if mask is None:
        return values.mean()
    weights = mask.to(values.dtype)
    inside = torch.where(mask > 0, values * weights, 0.0)
    count = batch_sum(weights) * values.shape[1]
    return batch_sum(inside) / torch.where(count > 0, count, 1.0)


def outside_replaced(output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Return the output with the target in the place of what lies outside of the mask.

    Args:
        output: [B, K, *spatial].
        target: [B, K, *spatial].
        mask: [B, 1, *spatial], bool; None to leave the output as it is.
    """
    return output if mask is None else torch.where(mask, output, target)


def _times(loss: Loss, weight: float, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    with full_precision():
        return weight * loss(output.to(target.dtype), target, mask)


def _l1(output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    return region_mean((output - target).abs(), mask)


def _mse(output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    return region_mean((output - target).square(), mask)


def _gradient(output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    difference = output - target
    along = []
    for axis in range(2, difference.dim()):
        last = difference.shape[axis] - 1
        both = None if mask is None else mask.narrow(axis, 1, last) & mask.narrow(axis, 0, last)
        along.append(region_mean(difference.diff(dim=axis).abs(), both))
    return torch.stack(along).mean()


def _ssim(dims: int, data_range: float, output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    _check_sides("ssim", target, WINDOW)
    windows, _ = compute_ssim_and_cs(
        outside_replaced(output, target, mask), target, dims, [WINDOW] * dims, [SIGMA] * dims, data_range
    )
    return region_mean(1 - windows, None if mask is None else _centres(mask, WINDOW))


def _correlation(
    local: nn.Module, data_range: float, output: Tensor, target: Tensor, mask: Tensor | None
) -> Tensor:
    _check_sides("lncc", target, LOCAL)
    level = target.mean(tuple(range(2, target.dim())), keepdim=True)  # far from 0 its sums lose all digits
    seen = (outside_replaced(output, target, mask) - level) / data_range
    windows = _centres(1 + local(seen, (target - level) / data_range), LOCAL)  # others hold its padding
    return region_mean(windows, None if mask is None else _centres(mask, LOCAL))


def _centres(values: Tensor, window: int) -> Tensor:
    """Return the part of [B, C, *spatial] where windows of this side lie within the image."""
    for axis in range(2, values.dim()):
        values = values.narrow(axis, window // 2, values.shape[axis] - window + 1)
    return values


def _check_sides(name: str, target: Tensor, window: int) -> None:
    if min(target.shape[2:]) < window:
        sides = "x".join(map(str, target.shape[2:]))
        raise UserError(
            f"losses.{name}: images of {sides} are smaller than its window of {window}; give a larger "
            "data.size or data.patch, or another loss"
        )


def _information(shared: nn.Module, output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    values = [shared(ours, truth).sum() for ours, truth in _pairs(output, target, mask)]
    nothing = output.flatten()[:0].sum()  # with a history, as every process takes part in the backward pass
    total = torch.stack([nothing, *values]).sum()
    count = batch_sum(output.new_full((), float(len(values))))
    return batch_sum(total) / count.clamp(min=1.0)


def _pairs(output: Tensor, target: Tensor, mask: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the voxels in the mask of each image's channels [1, n], so that the target lies in 0 to 1."""
    for row in range(len(target)):
        for channel in range(target.shape[1]):
            ours, truth = output[row, channel], target[row, channel]
            if mask is not None:
                ours, truth = ours[mask[row, 0]], truth[mask[row, 0]]
            if not truth.numel():
                continue
            low, high = truth.amin(), truth.amax()
            room = MARGIN * (high - low)
            span = torch.where(high > low, high - low + 2 * room, 1.0)
            yield (ours.reshape(1, -1) - low + room) / span, (truth.reshape(1, -1) - low + room) / span


def _own(name: str, loss: Callable[..., Any]) -> Loss:
    """Return a user's own loss as one of (output, target, mask) whose value is checked."""
    function = loss.forward if isinstance(loss, nn.Module) else loss
    with_mask = "mask" in inspect.signature(function).parameters

    def checked(output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        if with_mask:
            return one_number(name, loss(output, target, mask=mask))
        return one_number(name, loss(outside_replaced(output, target, mask), target))

    return checked
