"""Label maps as they are scored: true and predicted ones on the network's grid, or on that of files."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganatomy.data.records import IGNORED, Batch
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import stack_slices


def scored_labels(
    batch: Batch, rows: list[int], files: Originals | None
) -> tuple[Callable[[Tensor], Tensor], Tensor, list[float]]:
    """Return what label maps of a case are scored with, on the file's grid if files are scored.

    The truth is `IGNORED` where it does not count: at the ignore label, and outside of the region of interest
    (the file's own mask where the case has one).

    Args:
        batch: Evaluation batch.
        rows: Rows of the case.
        files: Files of the test cases; None scores on the network's grid.

    Returns:
        (function from a predicted label map [1, *spatial] of these rows to the one to score, [*spatial]; the
        true label map [*spatial]; its spacing in mm).
    """
    region = stack_slices(batch, batch["mask"], rows) if "mask" in batch else None
    if files is None:
        truth = stack_slices(batch, batch["label"], rows)[0]
        return lambda label: label[0], _within(truth, region), batch["spacing"][rows[0]].tolist()
    name = batch["case"][rows[0]]
    case = files.truth(name)
    plane = (..., 0) if files.is_plane(name) else ...  # with a third axis every voxel would be surface
    label = case["label"][0]
    truth = torch.from_numpy(label if label.flags.writeable else label.copy())
    if region is not None and "mask" in case:
        region = torch.from_numpy(case["mask"].copy())
    elif region is not None:
        region = torch.from_numpy(files.classes(batch, rows, region.to(torch.uint8)))
    return (
        lambda label: torch.from_numpy(files.classes(batch, rows, label)[0])[plane],
        _within(truth, region)[plane],
        case["spacing"].tolist()[: truth[plane].ndim],
    )


def _within(truth: Tensor, region: Tensor | None) -> Tensor:
    """Return a label map [*spatial], `IGNORED` outside of a region [1, *spatial]; None for no region."""
    if region is None:
        return truth
    signed = (
        truth
        if truth.dtype.is_signed
        else truth.to(torch.int16 if truth.dtype == torch.uint8 else torch.int64)
    )
    return signed.masked_fill(~region[0].bool(), IGNORED)


def split_truth(truth: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return a truth of `scored_labels` without `IGNORED`, and where it counts; None for everywhere."""
    valid = truth != IGNORED
    return (truth, None) if bool(valid.all()) else (truth.clamp_min(0), valid)
