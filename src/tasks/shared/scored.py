"""What scores are computed on: true label maps and regions, on the network's grid or on that of files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.transforms.body import with_mask
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import stack_slices


def scored_region(batch: Batch, rows: list[int], files: Originals | None) -> Tensor | None:
    """Return the region of a case that scores are taken in, as the image that they are taken of.

    Args:
        batch: Evaluation batch.
        rows: Rows of the case.
        files: Files of the test cases; None scores on the network's grid.

    Returns:
        [n, 1, *spatial] bool, n as of `Originals.planes` or, on the network's grid, of `rows`; None for cases
        without a mask.
    """
    if "mask" not in batch:
        return None
    if files is None:
        found: Tensor = batch["mask"][rows].cpu()
        return found
    case = with_mask(files.truth(batch["case"][rows[0]]), files.data.preparation.mask)
    return torch.from_numpy(np.array(files.planes(batch, rows[0], case["mask"])))


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
