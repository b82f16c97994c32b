"""From rows of an evaluation batch back to whole cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def cases(batch: dict[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """(case, its rows) for each case of a batch; rows of a sliced volume are its slices."""
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(batch["case"]):
        rows.setdefault(case, []).append(row)
    yield from rows.items()


def in_units(batch: dict[str, Any], images: Tensor, rows: list[int]) -> Tensor:
    """Images of one case as `whole` gives them, in the units of its file, float64."""
    scale, offset = (batch[key][rows[0]].double() for key in ("scale", "offset"))
    values: Tensor = whole(batch, images, rows).double() * scale + offset
    return values


def whole(batch: dict[str, Any], values: Tensor, rows: list[int]) -> Tensor:
    """Values [rows, C, *spatial] of one case as [C, *spatial]; slices are stacked along a new last axis."""
    if "slice" in batch:
        order = torch.argsort(batch["slice"][rows])
        return values[rows][order].movedim(0, -1)
    return values[rows[0]]
