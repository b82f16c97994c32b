"""Check for values that are not finite, which would spoil ranks, distances and neighbours."""

from __future__ import annotations

from typing import Any

import torch


def refuse_not_finite(what: str, *values: Any) -> None:
    """Raise ValueError if any of the values is NaN or infinite.

    A score of the other values, or one that ranks these last or farthest, would be misleading.

    Args:
        what: Name of the score in the message.
        *values: Numbers or arrays.

    Raises:
        ValueError: With the number of values that are not finite.
    """
    for each in values:
        numbers = torch.as_tensor(each)
        if bad := int((~numbers.isfinite()).sum()):
            raise ValueError(f"{what}: {bad} of {numbers.numel()} values are not finite")
