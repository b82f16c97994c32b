"""From rows of an evaluation batch back to whole cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from src.data.intensity import in_units as back


def cases(batch: dict[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """(case, its rows) for each case of a batch; rows of a sliced volume are its slices."""
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(batch["case"]):
        rows.setdefault(case, []).append(row)
    yield from rows.items()


def in_units(batch: dict[str, Any], images: Tensor, rows: list[int]) -> Tensor:
    """Images of one case as `whole` gives them, in the units of its file, float64."""
    offset, scale = (batch[key][rows[0]].double() for key in ("offset", "scale"))
    values: Tensor = back(whole(batch, images, rows).double(), offset, scale)
    return values


def target_in_units(batch: dict[str, Any], images: Tensor, rows: list[int]) -> Tensor:
    """The same, of answers that stand for the target."""
    values: Tensor = back(whole(batch, images, rows).double(), *units_of_target(batch, rows[0]))
    return values


def units_of_target(batch: dict[str, Any], row: int) -> tuple[Tensor, Tensor]:
    """Offset and scale of a row's target, float64; those of the image where a target has none of its own."""
    own = "target_" if "target_offset" in batch else ""
    return batch[f"{own}offset"][row].double(), batch[f"{own}scale"][row].double()


def whole(batch: dict[str, Any], values: Tensor, rows: list[int]) -> Tensor:
    """Values [rows, C, *spatial] of one case as [C, *spatial]; slices are stacked along a new last axis."""
    if "slice" in batch:
        order = torch.argsort(batch["slice"][rows])
        return values[rows][order].movedim(0, -1)
    return values[rows[0]]
