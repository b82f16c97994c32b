"""Label maps as they are scored: true and predicted ones on the network's grid, or on that of files."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import stack_slices


def scored_labels(
    batch: Batch, rows: list[int], files: Originals | None
) -> tuple[Callable[[Tensor], Tensor], Tensor, list[float]]:
    """Return what label maps of a case are scored with, on the file's grid if files are scored.

    Args:
        batch: Evaluation batch.
        rows: Rows of the case.
        files: Files of the test cases; None scores on the network's grid.

    Returns:
        (function from a predicted label map [1, *spatial] of these rows to the one to score, [*spatial]; the
        true label map [*spatial]; its spacing in mm).
    """
    if files is None:
        truth = stack_slices(batch, batch["label"], rows)[0]
        return lambda label: label[0], truth, batch["spacing"][rows[0]].tolist()
    name = batch["case"][rows[0]]
    case = files.truth(name)
    plane = (..., 0) if files.is_plane(name) else ...  # with a third axis every voxel would be surface
    label = case["label"][0]
    truth = torch.from_numpy(label if label.flags.writeable else label.copy())[plane]
    return (
        lambda label: torch.from_numpy(files.classes(batch, rows, label)[0])[plane],
        truth,
        case["spacing"].tolist()[: truth.ndim],
    )
