"""Micro-batches: the same gradient from less memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from torch import Tensor

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.adversarial.distributed.random import Rows, drawing_rows, equal_rows
from ganatomy.errors import UserError


class MicroBatches:
    """Iterate over (micro-batch, its weight in the batch); noise is drawn for the rows of the current one."""

    def __init__(self, parts: Sequence[tuple[Any, float, Rows | None]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        for part, weight, rows in self._parts:
            with drawing_rows(rows):
                yield part, weight


def split_batch(batch: Any, count: int, rows: Sequence[Rows] | None = None) -> MicroBatches:
    """Split a batch along dim 0; lists are split too, anything without a batch dimension is repeated.

    Args:
        batch: A tensor, or tensors and lists in mappings and sequences.
        count: Number of micro-batches.
        rows: This process's rows of each micro-batch of the global batch, in order; None where every process
            has as many.

    Returns:
        Micro-batches with their weights. Losses times weights, averaged over processes, add up to the
        batch's mean.

    Raises:
        UserError: The batch has fewer rows than `count`.
    """
    if count == 1 and rows is None:
        return MicroBatches([(batch, 1.0, None)])
    size = batch_size(batch)
    if rows is None:
        if size < count:
            raise UserError(
                f"update.accumulate: {count} micro-batches of a batch of {size}; lower it, or raise "
                "data.batch_size"
            )
        rows = [equal_rows(b - a) for a, b in pairwise(size * i // count for i in range(count + 1))]
    ends = [0, *accumulate(each.count for each in rows)]
    if ends[-1] != size or len(rows) != count or not all(each.count for each in rows):
        sizes = [each.count for each in rows]
        raise ValueError(f"{count} micro-batches of a batch of {size} cannot have {sizes} rows")
    total = sum(each.total for each in rows)
    return MicroBatches(
        [
            (batch if count == 1 else _slice(batch, size, a, b), (b - a) * processes() / total, each)
            for (a, b), each in zip(pairwise(ends), rows, strict=True)
        ]
    )


def batch_size(batch: Any) -> int:
    """Return the length of the batch: of its `image`, or of its first tensor."""
    if isinstance(batch, Tensor):
        return len(batch)
    values = list(batch.values()) if isinstance(batch, Mapping) else list(batch)
    if isinstance(batch, Mapping) and isinstance(batch.get("image"), Tensor):
        values.insert(0, batch["image"])
    for value in values:
        if isinstance(value, Tensor) and value.dim() > 0:
            return len(value)
    raise UserError("batch: holds no tensor with a batch dimension; return tensors [B, ...] from the loader")


def _slice(value: Any, size: int, start: int, end: int) -> Any:
    if isinstance(value, Tensor):
        return value[start:end] if value.dim() > 0 and len(value) == size else value
    if isinstance(value, Mapping):
        return {key: _slice(entry, size, start, end) for key, entry in value.items()}
    if isinstance(value, tuple):
        return tuple(_slice(entry, size, start, end) for entry in value)
    if isinstance(value, list):
        return (
            value[start:end] if len(value) == size else [_slice(entry, size, start, end) for entry in value]
        )
    return value
