"""Test for copies of training images among synthetic ones, even if shifted, flipped or faintly noisy."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.metrics.synthesis.nearest.shifts import ShiftedCorrelations
from ganatomy.metrics.synthesis.pyramid import smoothed

SIDE = 64
"""Larger images are reduced to about this side."""
REACH, MARGIN = 4, 6
"""Largest shift, and margin cut off at every edge, for sides of 64 pixels."""
LEAST = 3
"""A shift of this many pixels is found in smaller images too, down to sides of eight times as many."""
EXPECTED = 0.01
SUSPECT, CHANCE = 0.05, 0.001
"""Copies are likely above this fraction, if its probability under chance is at most the second number."""


def nearest(queries: Tensor, references: Iterable[Tensor], views: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Find for each query the reference of highest correlation.

    Images are blurred by 1 pixel, their centres of 52x52 (of 64x64) pixels brought to mean 0 and norm 1; the
    best of all shifts by up to 4 pixels along both axes and of the flip along the last axis counts.

    Args:
        queries: Images [n, C, H, W].
        references: Batches [m, C, H, W], one at a time in memory.
        views: Images of equally many channels that a query and a reference consist of (the planes of a
            volume). Each is compared with its counterpart, and the mean correlation over views counts.

    Returns:
        Highest correlation [n], index of that reference [n], and its image as it came [n, C, H, W].
    """
    ours = [_correlations(_reduced(view)) for view in queries.chunk(views, 1)]
    best = torch.full((len(queries),), -2.0, device=queries.device)
    index = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
    images = torch.zeros_like(queries)
    first = 0
    for batch in references:
        theirs = batch.to(queries.device)
        pairs = zip(ours, theirs.chunk(views, 1), strict=True)
        alike = torch.stack([own.best(_around(_reduced(view))) for own, view in pairs]).mean(0)
        found, place = alike.max(1)
        better = found > best
        best = torch.where(better, found, best)
        index = torch.where(better, first + place, index)
        images = torch.where(better[:, None, None, None], theirs[place].to(images), images)
        first += len(batch)
    return best, index, images


def copied_share(fake: Tensor, held_out: Tensor) -> float:
    """Return the fraction of fakes nearer to a training image than 99 % of held-out images are.

    Both arguments are correlations with the nearest training image, [n].
    """
    if len(fake) == 0 or len(held_out) == 0:
        return float("nan")
    return float((fake > _threshold(held_out)).double().mean())


def expected_share(held_out: int) -> float:
    """Return the mean of `copied_share` if fakes come as near as this many held-out images do.

    The fraction beyond the k-th smallest of n is 1 - k / (n + 1) on average, and the threshold is between two
    of these: 0.01 for many, more for few.
    """
    return (EXPECTED * held_out + 1 - EXPECTED) / (held_out + 1)


def chance(fake: Tensor, held_out: Tensor) -> float:
    """Return a bound on the probability of this many fakes beyond the threshold if both are drawn alike.

    With `a` held-out images and k fakes beyond it, k of the k + a largest of all are fakes: the tail of a
    hypergeometric distribution. A permutation test of ranks, exact for few images, if these are independent.
    """
    near, above = (int((found > _threshold(held_out)).sum()) for found in (fake, held_out))
    return _tail(near, above, len(fake), len(held_out))


def suspicious(fake: Tensor, held_out: Tensor) -> bool | None:
    """Return True if copies are likely, None if there are too few images to tell.

    They are too few if even copies alone could come about by chance, or if more than twice the expected
    share is too near, and that may be chance.
    """
    above = int((held_out > _threshold(held_out)).sum()) if len(held_out) else 0
    if not len(fake) or not len(held_out) or _tail(len(fake), above, len(fake), len(held_out)) > CHANCE:
        return None
    share = copied_share(fake, held_out)
    if share > SUSPECT and chance(fake, held_out) <= CHANCE:
        return True
    return None if share > max(SUSPECT, 2 * expected_share(len(held_out))) else False


def _threshold(held_out: Tensor) -> Tensor:
    return held_out.quantile(1 - EXPECTED)


def _tail(near: int, above: int, fakes: int, held_out: int) -> float:
    from scipy.stats import hypergeom

    return float(hypergeom.sf(near - 1, fakes + held_out, fakes, near + above))


def _correlations(queries: Tensor) -> ShiftedCorrelations:
    """Return the correlations with the centres of these images, each of mean 0 and norm 1."""
    reach = _reach(queries)
    centres = _around(queries)[:, :, reach:-reach, reach:-reach]
    rows = centres.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return ShiftedCorrelations(rows.reshape(centres.shape), reach)


def _reduced(images: Tensor) -> Tensor:
    factor = max(1, round(min(images.shape[2:]) / SIDE))
    return smoothed(F.avg_pool2d(images.float(), factor) if factor > 1 else images.float())


def _of_side(images: Tensor, pixels: int) -> int:
    shortest: int = min(SIDE, *images.shape[2:])
    return max(1, round(pixels * shortest / SIDE))


def _reach(images: Tensor) -> int:
    return max(_of_side(images, REACH), min(LEAST, min(images.shape[2:]) // 8))


def _around(images: Tensor) -> Tensor:
    """Return what a window at the centre sees at all of its shifts."""
    reach = _reach(images)
    beyond = max(_of_side(images, MARGIN), reach + 1) - reach  # as the blur mixes in what is beyond the edge
    return images[:, :, beyond:-beyond, beyond:-beyond]
