"""Truth, translation and region of one case as they are scored: in the target's units, as files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.transforms.intensity import ends
from ganatomy.errors import UserError
from ganatomy.metrics.translation.region import Range
from ganatomy.tasks.enhancement.data_range import span_of
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import scale_and_offset, stack_slices, stacked


def ranges_of(data_range: float | list[Any] | str | None) -> Range | list[Range]:
    """Return `task.data_range` as ends, a width or None; a list of them if each channel has its own.

    Raises:
        UserError: A width that is not above 0, or a window whose ends are in the wrong order.
    """
    span_of(data_range)
    if isinstance(data_range, list) and not ends(data_range):
        return [_range(part) for part in data_range]
    return _range(data_range)


def _range(given: Any) -> Range:
    pair = ends(given)
    if pair is not None and pair[0] >= pair[1]:
        raise UserError(f"task.data_range: {given}; give the lower end first")
    if pair is not None:
        return pair
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None


def truth_of(files: Originals | None, batch: Batch, rows: list[int], dims: int) -> Tensor:
    """Return the target of one case in the units of its file, float64 [n, K, *spatial].

    Args:
        files: Files of the test cases; None for the target on the network's grid.
        batch: Evaluation batch.
        rows: Rows of the case.
        dims: Number of spatial axes.
    """
    if files is None:
        return in_target_units(batch, rows, batch["target"][rows], dims)
    case = batch["case"][rows[0]]
    target = files.truth(case)[files.role(case, "target")].astype(np.float64)
    return _planes(files, batch, rows, target)


def values_of(files: Originals | None, batch: Batch, rows: list[int], image: Tensor, dims: int) -> Tensor:
    """Return a translation of one case in the target's units, rounded as in its file if files are scored.

    Args:
        files: Files of the test cases; None for the network's output.
        batch: Evaluation batch.
        rows: Rows of the case.
        image: Translation of these rows, [n, K, *spatial].
        dims: Number of spatial axes.
    """
    values = in_target_units(batch, rows, image, dims)
    if files is None:
        return values
    written = files.as_written(batch, rows, stacked(batch, values, rows), "target")
    return _planes(files, batch, rows, written.values)


def region_of(files: Originals | None, batch: Batch, rows: list[int]) -> Tensor | None:
    """Return the region of the scores of one case, bool [n, 1, *spatial]; None for all of the image.

    Args:
        files: Files of the test cases, whose own mask counts where they have one; None for the batch's.
        batch: Evaluation batch.
        rows: Rows of the case.
    """
    if "mask" not in batch:
        return None
    if files is None:
        found: Tensor = batch["mask"][rows].bool()
        return found
    own = files.truth(batch["case"][rows[0]]).get("mask")
    if own is None:
        own = files.classes(batch, rows, stack_slices(batch, batch["mask"].to(torch.uint8), rows))
    return _planes(files, batch, rows, np.asarray(own) > 0)


def in_target_units(batch: Batch, rows: Sequence[int], image: Tensor, dims: int) -> Tensor:
    """Return an image of one case in the target's units, float64 [n, K, *spatial].

    Args:
        batch: Evaluation batch.
        rows: Rows of the case.
        image: Image of these rows in the network's units, [n, K, *spatial].
        dims: Number of spatial axes.
    """
    scale, offset = scale_and_offset(batch, rows[0], dims, "target")
    values: Tensor = image.double() * scale + offset
    return values


def _planes(files: Originals, batch: Batch, rows: list[int], volume: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(files.planes(batch, rows[0], volume)))
