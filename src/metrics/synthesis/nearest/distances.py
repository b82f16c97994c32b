"""Nearest neighbours by a matrix product, with the decisions of distances taken one by one.

|a - b|² = |a|² + |b|² - 2 a·b is an order of magnitude faster than the sum of squared differences, but loses
digits to cancellation. What is closer to a limit than that error is decided by the sum itself, so that ties
and copies come out as they do without the product.
"""

from __future__ import annotations

import torch
from torch import Tensor

PAIRS = 2**23
"""Numbers of both features of the pairs that are compared one by one at a time."""
MANY = 0.05
"""Share of doubtful pairs above which all are compared one by one."""


def kth_distance(a: Tensor, b: Tensor, k: int) -> Tensor:
    """Return the distance of each row to the k-th nearest of others, [n, 1].

    Args:
        a: Rows [n, d], float64.
        b: Others [m, d], float64; m is at least k.
        k: 1 for the nearest.
    """
    squares, error = _squares(a, b)
    near, places = squares.topk(min(k + 1, len(b)), dim=1, largest=False)
    alike = (near - near[:, k - 1 : k]).abs() <= 2 * error
    alone = alike.sum(1) == 1
    found = torch.empty(len(a), dtype=a.dtype, device=a.device)
    found[alone] = _one_by_one(a, b, alone.nonzero()[:, 0], places[alone, k - 1])
    found[~alone] = _apart(a[~alone], b).kthvalue(k, dim=1).values
    return found[:, None]


def nearer_than(radius: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return for each pair of rows if its distance is below the radius of the first, bool [n, m].

    Args:
        radius: Radius of each row of `a`, [n, 1].
        a: Rows [n, d], float64.
        b: Others [m, d], float64.
    """
    squares, error = _squares(a, b)
    squares -= radius.square()
    inside = squares < 0
    doubtful = ~(squares.abs_() > error)
    rows, places = doubtful.nonzero(as_tuple=True)
    if len(rows) > MANY * squares.numel():
        return _apart(a, b) < radius
    inside[rows, places] = _one_by_one(a, b, rows, places) < radius[rows, 0]
    return inside


def _squares(a: Tensor, b: Tensor) -> tuple[Tensor, float]:
    """Return the squared distances [n, m], and a bound on their error and that of their square root's."""
    middle = b.mean(0)
    a, b = a - middle, b - middle
    lengths = a.square().sum(1, keepdim=True), b.square().sum(1)
    found = torch.addmm(lengths[0] + lengths[1], a, b.T, alpha=-2)
    longest = float(lengths[0].max()) + float(lengths[1].max()) if len(a) else 0.0
    return found, 8 * (a.shape[1] + 4) * torch.finfo(a.dtype).eps * longest


def _one_by_one(a: Tensor, b: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    """Return the distance of the pairs (a[rows], b[places]), [p]."""
    step = max(1, PAIRS // (2 * a.shape[1]))
    parts = zip(torch.split(rows, step), torch.split(places, step), strict=True)
    found = [_apart(a[row][:, None], b[place][:, None]).flatten() for row, place in parts]
    return torch.cat(found) if found else a.new_empty(0)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
