"""Random numbers drawn for the global batch and sliced by rank, so that N processes draw what one would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import processes, rank


@dataclass(frozen=True)
class Rows:
    """This process's rows of a global (micro-)batch.

    Attributes:
        start: Index of the first row in the global batch.
        count: Number of rows of this process.
        total: Number of rows of the global batch.

    Example:
        >>> rows = Rows(start=4, count=3, total=7)  # the second of two processes
        >>> torch.arange(rows.total)[rows.start : rows.start + rows.count]
        tensor([4, 5, 6])
    """

    start: int
    count: int
    total: int


_rows: Rows | None = None


@contextmanager
def drawing_rows(rows: Rows | None) -> Iterator[None]:
    """Draw for these rows inside; None if all processes have equally many."""
    global _rows
    before, _rows = _rows, rows
    try:
        yield
    finally:
        _rows = before


def current_rows() -> Rows | None:
    """Return the rows that are drawn for now; None if all processes have equally many."""
    return _rows


def equal_rows(count: int) -> Rows:
    """Return the rows of this process if all have equally many."""
    return Rows(count * rank(), count, count * processes())


def uniform(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """Draw [B, *shape] uniformly from [0, 1), B the length of `like`, on its device, float32 at least."""
    return local_rows(torch.rand, like, shape)


def normal(like: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """Draw [B, *shape] from a standard normal, B the length of `like`, on its device, float32 at least."""
    return local_rows(torch.randn, like, shape)


def local_rows(draw: Callable[..., Tensor], like: Tensor, shape: Sequence[int]) -> Tensor:
    """Draw for the global batch and return the rows of this process.

    Args:
        draw: Called as `draw(total, *shape, device=, dtype=)`.
        like: [B, ...], gives B, device and dtype (float32 at least).
        shape: Shape of a row.

    Returns:
        [B, *shape].

    Raises:
        ValueError: B is not the number of rows that this process has.
    """
    wide = torch.promote_types(like.dtype, torch.float32)
    rows = rows_of(like)
    return draw(rows.total, *shape, device=like.device, dtype=wide)[rows.start : rows.start + rows.count]


def rows_of(like: Tensor) -> Rows:
    """Return which rows of the global (micro-)batch those of `like` [B, ...] are.

    Raises:
        ValueError: B is not the number of rows that this process has.
    """
    count = len(like)
    rows = _rows if _rows is not None and processes() > 1 else equal_rows(count)
    if rows.count != count and rows.count * processes() == rows.total:
        rows = equal_rows(count)
    if rows.count != count:
        raise ValueError(f"noise for {count} rows where this process has {rows.count} of {rows.total}")
    return rows
