"""Whole cases from the rows of an evaluation batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganatomy.adversarial import NotFinite
from ganatomy.data.records import Batch

PART = 2**22
"""Values of an image that are sorted at once."""


def rows_by_case(batch: Batch) -> Iterator[tuple[str, list[int]]]:
    """Yield (case, its rows) for each case of a batch; the rows of a sliced volume are its slices."""
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(batch["case"]):
        rows.setdefault(case, []).append(row)
    yield from rows.items()


def scale_and_offset(batch: Batch, row: int, dims: int, role: str = "image") -> tuple[Tensor, Tensor]:
    """Return the scale and the offset to the file's units, image * scale + offset.

    Args:
        batch: Evaluation batch.
        row: Row of the case.
        dims: Number of spatial axes.
        role: `image` or `target`; a target without its own scale has the image's.

    Returns:
        (scale, offset), float64, [C or 1, 1, ...].
    """
    own = f"{role}_scale" in batch
    keys = (f"{role}_{key}" if own else key for key in ("scale", "offset"))
    scale, offset = (batch[key][row].double().reshape(-1, *[1] * dims) for key in keys)
    return scale, offset


def in_units(batch: Batch, images: Tensor, rows: list[int], role: str = "image") -> Tensor:
    """Stack the slices of a case and return it in the units of its file, float64.

    Args:
        batch: Evaluation batch.
        images: Images [B, C, *spatial].
        rows: Rows of the case.
        role: File whose units are meant: `image` or `target`.
    """
    found = stack_slices(batch, images, rows).double()
    scale, offset = scale_and_offset(batch, rows[0], found.dim() - 1, role)
    values: Tensor = found * scale + offset
    return values


def stack_slices(batch: Batch, values: Tensor, rows: list[int]) -> Tensor:
    """Return the values of one case; slices are stacked along a new last axis.

    Args:
        batch: Evaluation batch.
        values: Values of all rows, [B, C, *spatial].
        rows: Rows of the case.

    Returns:
        Values [C, *spatial].
    """
    if "slice" not in batch:
        return values[rows[0]]  # a view: a list of rows would copy what may be a gigabyte
    return stacked(batch, values[rows], rows)


def stacked(batch: Batch, part: Tensor, rows: list[int]) -> Tensor:
    """Do the same as `stack_slices` for the values of these rows alone.

    Args:
        batch: Evaluation batch.
        part: Values of the rows, [rows, C, *spatial].
        rows: Rows of the case.
    """
    if "slice" in batch:
        order = torch.argsort(batch["slice"][rows])
        return part[order].movedim(0, -1)
    return part[0]


def all_finite(batch: Batch, answers: Tensor) -> None:
    """Raise `NotFinite`, naming the case, if a row of the predictions [B, ...] is not finite."""
    bad = (~answers.isfinite()).reshape(len(answers), -1).any(1)
    if bool(bad.any()):
        case = batch["case"][int(bad.nonzero()[0])]
        raise NotFinite(
            f"{case}: the prediction holds values that are not finite: the generator has diverged; lower the "
            "learning rate, clip gradients (update.clip) or check the intensities of the data"
        )


def small(label: Tensor) -> Tensor:
    """Return class numbers in eight bits if they fit: a large volume would need a gigabyte otherwise."""
    return label.to(torch.uint8) if not len(label.flatten()) or int(label.max()) < 256 else label


def likeliest(probabilities: Tensor) -> Tensor:
    """Return the class of each pixel [B, 1, *spatial], the first one of equal probabilities.

    The same as `argmax`, class by class: on a CPU that takes a tenth of the time, and no 64-bit numbers.

    Args:
        probabilities: [B, K, *spatial], finite.
    """
    best = probabilities[:, 0]
    kind = torch.uint8 if probabilities.shape[1] <= 256 else torch.int64
    found = torch.zeros(best.shape, dtype=kind, device=best.device)
    for number in range(1, probabilities.shape[1]):
        better = probabilities[:, number] > best
        found.masked_fill_(better, number)
        best = torch.where(better, probabilities[:, number], best)
    return found[:, None]


def one_hot(label: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Encode class numbers [B, 1, *spatial] as [B, classes, *spatial] of 0 and 1.

    torch's own writes eight bytes a voxel and class, classes innermost, to be converted and moved.

    Args:
        label: Class numbers.
        classes: Their number, background and all.
        dtype: Type of the answer.

    Raises:
        ValueError: On a CPU, if a number is no class. A GPU's host is not made to wait for that.

    Example:
        >>> one_hot(torch.tensor([[[0, 2]]]), 3).tolist()
        [[[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]]
    """
    if label.device.type == "cpu" and label.numel() and not 0 <= label.min() <= label.max() < classes:
        raise ValueError(f"class numbers from {label.min()} to {label.max()}: there are {classes} classes")
    return torch.cat([label == number for number in range(classes)], 1).to(dtype)


def largest(values: Tensor, count: int) -> Tensor:
    """Return the `count` largest values per row of [B, N], with less memory than `topk` of all N."""
    parts = [part.topk(min(count, part.shape[1])).values for part in torch.split(values, PART, 1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1).topk(count).values
