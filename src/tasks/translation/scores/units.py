"""Truth, translation and region of one case as they are scored: in the target's units, as files hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.transforms.intensity import Intensity, ends, one_each
from ganatomy.errors import UserError
from ganatomy.metrics.translation.region import Range
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import scale_and_offset, stack_slices, stacked
from ganatomy.text.values import as_typed

TARGET = "target"
"""Value of `task.data_range` that stands for the window that the target's intensities are mapped from."""


def known_range(data_range: Any, intensity: Intensity) -> Any:
    """Return `task.data_range` with windows in the place of `TARGET`; None where there is none.

    Args:
        data_range: As it is given.
        intensity: Intensity of the target.
    """
    if data_range != TARGET:
        return data_range
    windows = [list(pair) if (pair := ends(each)) else None for each in one_each(intensity) or [intensity]]
    return windows[0] if len(windows) == 1 else windows


def ranges_of(data_range: Any) -> Range | list[Range]:
    """Return `task.data_range` as ends, a width or None; a list of them if each channel has its own.

    Raises:
        UserError: No number above 0, and no window [low, high].
    """
    if isinstance(data_range, list) and not ends(data_range):
        return [_range(part) for part in data_range]
    return _range(data_range)


def _range(given: Any) -> Range:
    if given in (None, TARGET):  # the latter where no data have decided, see `known_range`
        return None
    pair = ends(given)
    numbers = pair or (given,)
    fits = all(type(one) in (int, float) and math.isfinite(one) for one in numbers)
    if not fits or (pair[0] >= pair[1] if pair else given <= 0):
        raise UserError(
            f"task.data_range: {as_typed(given)}; give a window [low,high], its width, target, or null for "
            "the range of each truth"
        )
    return pair or float(given)


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
