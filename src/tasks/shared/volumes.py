"""From rows of an evaluation batch back to whole cases."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganatomy.adversarial import NotFinite
from ganatomy.data.records import Batch

PART = 2**22
"""Values of an image that are ordered at once."""


def rows_by_case(batch: Batch) -> Iterator[tuple[str, list[int]]]:
    """(case, its rows) for each case of a batch; rows of a sliced volume are its slices."""
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(batch["case"]):
        rows.setdefault(case, []).append(row)
    yield from rows.items()


def units(batch: Batch, row: int, dims: int, role: str = "image") -> tuple[Tensor, Tensor]:
    """(scale, offset) of a row's image, or of its target's own, float64 [C or 1, 1, ...].

    The file's units are image * scale + offset.
    """
    own = f"{role}_scale" in batch
    keys = (f"{role}_{key}" if own else key for key in ("scale", "offset"))
    scale, offset = (batch[key][row].double().reshape(-1, *[1] * dims) for key in keys)
    return scale, offset


def in_units(batch: Batch, images: Tensor, rows: list[int], role: str = "image") -> Tensor:
    """Images of one case as `whole` gives them, in the units of its file or its target's, float64."""
    found = stack_slices(batch, images, rows).double()
    scale, offset = units(batch, rows[0], found.dim() - 1, role)
    values: Tensor = found * scale + offset
    return values


def stack_slices(batch: Batch, values: Tensor, rows: list[int]) -> Tensor:
    """Values [rows, C, *spatial] of one case as [C, *spatial]; slices are stacked along a new last axis."""
    if "slice" not in batch:
        return values[rows[0]]  # a view: a list of rows would copy what may be a gigabyte
    return stacked(batch, values[rows], rows)


def stacked(batch: Batch, part: Tensor, rows: list[int]) -> Tensor:
    """The same of the values of these rows alone."""
    if "slice" in batch:
        order = torch.argsort(batch["slice"][rows])
        return part[order].movedim(0, -1)
    return part[0]


def all_finite(batch: Batch, answers: Tensor) -> None:
    """Raise `NotFinite`, with the case, where the answer to a row [B, ...] holds what is no finite number."""
    bad = (~answers.isfinite()).reshape(len(answers), -1).any(1)
    if bool(bad.any()):
        case = batch["case"][int(bad.nonzero()[0])]
        raise NotFinite(
            f"{case}: the answer holds values that are not finite: the generator has diverged; lower the "
            "learning rate, clip gradients (update.clip) or check the intensities of the data"
        )


def small(label: Tensor) -> Tensor:
    """Class numbers in eight bits where these hold all: a large volume's take a gigabyte otherwise."""
    return label.to(torch.uint8) if not len(label.flatten()) or int(label.max()) < 256 else label


def largest(values: Tensor, count: int) -> Tensor:
    """What `topk` gives of each row of [B, N], without its sixteen bytes for each of N values."""
    parts = [part.topk(min(count, part.shape[1])).values for part in torch.split(values, PART, 1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1).topk(count).values
