"""A batch worked through in pieces: the same gradient from less memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from torch import Tensor

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.adversarial.distributed.random import Rows, drawing_rows, equal_rows
from ganatomy.errors import UserError


class MicroBatches:
    """(piece, its share of the batch) one after the other; noise is drawn for the piece that is out."""

    def __init__(self, parts: Sequence[tuple[Any, float, Rows | None]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        for part, share, rows in self._parts:
            with drawing_rows(rows):
                yield part, share


def split_batch(batch: Any, count: int, rows: Sequence[Rows] | None = None) -> MicroBatches:
    """`count` pieces along dim 0; lists are cut too; what has no batch dimension is repeated.

    rows: what of each piece of the global batch is here, in order; None where every process has as many. A
    share is such that losses times their shares, averaged over processes, add up to the batch's mean.
    """
    if count == 1 and rows is None:
        return MicroBatches([(batch, 1.0, None)])
    size = batch_size(batch)
    if rows is None:
        if size < count:
            raise UserError(
                f"update.accumulate: {count} pieces of a batch of {size}; lower it, or raise data.batch_size"
            )
        rows = [equal_rows(b - a) for a, b in pairwise(size * i // count for i in range(count + 1))]
    ends = [0, *accumulate(row.here for row in rows)]
    if ends[-1] != size or len(rows) != count or not all(row.here for row in rows):
        raise ValueError(f"{count} pieces of a batch of {size} cannot be {[row.here for row in rows]}")
    total = sum(row.total for row in rows)
    return MicroBatches(
        [
            (batch if count == 1 else _part(batch, size, a, b), (b - a) * processes() / total, row)
            for (a, b), row in zip(pairwise(ends), rows, strict=True)
        ]
    )


def batch_size(batch: Any) -> int:
    """Length of the batch: of its `image`, or of its first tensor."""
    if isinstance(batch, Tensor):
        return len(batch)
    values = list(batch.values()) if isinstance(batch, Mapping) else list(batch)
    if isinstance(batch, Mapping) and isinstance(batch.get("image"), Tensor):
        values.insert(0, batch["image"])
    for value in values:
        if isinstance(value, Tensor) and value.dim() > 0:
            return len(value)
    raise UserError("batch: holds no tensor with a batch dimension")


def _part(value: Any, size: int, start: int, end: int) -> Any:
    if isinstance(value, Tensor):
        return value[start:end] if value.dim() > 0 and len(value) == size else value
    if isinstance(value, Mapping):
        return {key: _part(entry, size, start, end) for key, entry in value.items()}
    if isinstance(value, tuple):
        return tuple(_part(entry, size, start, end) for entry in value)
    if isinstance(value, list):
        return value[start:end] if len(value) == size else [_part(entry, size, start, end) for entry in value]
    return value
