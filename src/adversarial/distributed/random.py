"""Random numbers of a step, drawn for the global batch and sliced by rank: N processes draw as one would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import processes, rank


class Rows(NamedTuple):
    """Which rows of a global batch, or of a piece of it, are here: `here` from `start` on, of `total`."""

    start: int
    here: int
    total: int


_rows: Rows | None = None


@contextmanager
def drawing_rows(rows: Rows | None) -> Iterator[None]:
    """Within, what is drawn is drawn for these rows; None: where all processes have as many."""
    global _rows
    before, _rows = _rows, rows
    try:
        yield
    finally:
        _rows = before


def equal_rows(count: int) -> Rows:
    """The rows of this process where all have as many."""
    return Rows(count * rank(), count, count * processes())


def uniform(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """[B, *shape] in [0, 1), B the length of `like`, on its device, float32 at least."""
    return local_rows(torch.rand, like, shape)


def normal(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """[B, *shape] standard normal, B the length of `like`, on its device, float32 at least."""
    return local_rows(torch.randn, like, shape)


def local_rows(draw: Callable[..., Tensor], like: Tensor, shape: Sequence[int]) -> Tensor:
    """This process's rows of what `draw(total, *shape, device=, dtype=)` gives for all of them."""
    count = len(like)
    wide = torch.promote_types(like.dtype, torch.float32)
    rows = _rows if _rows is not None and processes() > 1 else equal_rows(count)
    if rows.here != count and rows.here * processes() == rows.total:
        rows = equal_rows(count)
    if rows.here != count:
        raise ValueError(f"noise for {count} rows where this process has {rows.here} of {rows.total}")
    return draw(rows.total, *shape, device=like.device, dtype=wide)[rows.start : rows.start + count]
