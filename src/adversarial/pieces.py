"""A batch worked through in pieces: the same gradient from less memory."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor

from src.errors import UserError


def pieces(batch: Any, count: int) -> list[tuple[Any, float]]:
    """(piece, its share of the batch) along dim 0; lists too; what has no batch dimension is repeated."""
    if count == 1:
        return [(batch, 1.0)]
    size = batch_size(batch)
    if size < count:
        raise UserError(
            f"update.accumulate: {count} pieces of a batch of {size}; lower it, or raise data.batch_size"
        )
    ends = [size * i // count for i in range(count + 1)]
    return [(_part(batch, size, a, b), (b - a) / size) for a, b in pairwise(ends)]


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
