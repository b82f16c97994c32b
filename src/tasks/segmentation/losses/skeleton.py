"""Soft centreline Dice: thin structures that stay connected."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.losses.cldice import soft_skel
from torch import Tensor
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.losses.maps import Maps

Extreme = Callable[[Tensor, Tensor], Tensor]


def cldice_loss(maps: Maps, iterations: int = 5, smooth: float = 1.0) -> Tensor:
    """Return 1 - the harmonic mean of topology precision and sensitivity, averaged over structures.

    Precision: the share of the prediction's soft skeleton in the truth; sensitivity: the share of the truth's
    in the prediction. Shit et al., arXiv 2003.07311, eq. 1 and algorithm 2; 2D and 3D. Of each structure
    in an image by itself, without the background: MONAI's SoftclDiceLoss adds up all channels, in which a
    large structure hides a small one. Where voxels do not count the prediction is taken as right, so that a
    mask cuts no skeleton.

    Args:
        maps: Logits and truth.
        iterations: Erosions; at least the largest radius of a structure in pixels, or its skeleton is empty.
        smooth: Added to each numerator and denominator, in pixels.

    Raises:
        UserError: If `iterations` is below 1, or `smooth` not positive.
    """
    if iterations < 1:
        raise UserError(f"iterations: {iterations}; must be at least 1")
    if not smooth > 0:
        raise UserError(f"smooth: {smooth}; must be above 0")
    given = maps.foreground(maps.filled(maps.probabilities), maps.truth)
    skeletons = [skeleton(each, iterations) for each in given]
    predicted, true = maps.masked(*skeletons)
    precision = _share(predicted, given[1], smooth)
    sensitivity = _share(true, given[0], smooth)
    each = 1 - 2 * precision * sensitivity / (precision + sensitivity)
    if maps.class_weights is None:
        return each.mean()
    (weights,) = maps.foreground(maps.class_weights.to(each)[None].expand(len(each), -1))
    return (each * weights).mean() / weights.mean().clamp_min(torch.finfo(weights.dtype).tiny)


def skeleton(maps: Tensor, iterations: int) -> Tensor:
    """Return soft skeletons of maps [B, K, *spatial] in 0 to 1, by erosions and openings: MONAI's.

    On a GPU torch's pooling has no gradient that repeats itself, and torch refuses it with
    `trainer.deterministic=true`; there extremes are those of shifted copies.

    Args:
        maps: Probabilities.
        iterations: Erosions.
    """
    if maps.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled():
        found: Tensor = soft_skel(maps, iterations)
        return found
    return repeatable_skeleton(maps, iterations)


def repeatable_skeleton(maps: Tensor, iterations: int) -> Tensor:
    """Return the soft skeletons without pooling; on a CPU this takes twice as long.

    Args:
        maps: Probabilities.
        iterations: Erosions.
    """
    found = F.relu(maps - _opened(maps))
    for _ in range(iterations):
        maps = _eroded(maps)
        rest = F.relu(maps - _opened(maps))
        found = found + F.relu(rest - found * rest)
    return found


def _share(skeletons: Tensor, inside: Tensor, smooth: float) -> Tensor:
    """Return the share [B, K] of skeletons inside of maps."""
    parts = (skeletons * inside).flatten(2).sum(2), skeletons.flatten(2).sum(2)
    return (parts[0] + smooth) / (parts[1] + smooth)


def _opened(maps: Tensor) -> Tensor:
    """Erode by a cross, dilate by a square or cube."""
    found = _eroded(maps)
    for axis in range(2, maps.dim()):
        found = _extreme(found, axis, torch.maximum, -torch.inf)
    return found


def _eroded(maps: Tensor) -> Tensor:
    """Return the minimum over each voxel and its neighbours along the axes."""
    found = maps
    for axis in range(2, maps.dim()):
        found = torch.minimum(found, _extreme(maps, axis, torch.minimum, torch.inf))
    return found


def _extreme(maps: Tensor, axis: int, of: Extreme, edge: float) -> Tensor:
    """Return the extreme of each voxel and its two neighbours along an axis."""
    length = maps.shape[axis]
    padded = F.pad(maps, [0, 0] * (maps.dim() - 1 - axis) + [1, 1], value=edge)
    before, after = padded.narrow(axis, 0, length), padded.narrow(axis, 2, length)
    return of(of(before, after), maps)
