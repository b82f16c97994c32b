"""What is no number has no rank, no distance and no neighbour."""

from __future__ import annotations

from typing import Any

import torch


def refuse_not_finite(what: str, *values: Any) -> None:
    """ValueError that tells how many of these numbers are NaN or infinite, where any is: a score of the rest,
    or one in which they are the last or the farthest, would be another one.
    """
    for each in values:
        numbers = torch.as_tensor(each)
        if bad := int((~numbers.isfinite()).sum()):
            raise ValueError(f"{what}: {bad} of {numbers.numel()} values are not finite")
