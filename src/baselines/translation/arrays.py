"""Check of kept arrays before a baseline is made from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganatomy.errors import UserError


def checked(
    owner: str,
    kept: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int | None, ...]],
    whole: tuple[str, ...] = (),
) -> dict[str, np.ndarray]:
    """Return the arrays of these names.

    Args:
        owner: Name of the baseline.
        kept: Its arrays by name.
        shapes: Shape of each; None for a length that is free.
        whole: Names of those that hold integers; the others hold floats.

    Raises:
        UserError: An array is missing, or has another shape or type, or values that are not finite.
    """
    for name, shape in shapes.items():
        if name not in kept:
            raise damaged(f"{owner}/{name}", "is missing")
        array = kept[name]
        if array.ndim != len(shape) or any(
            n is not None and n != m for n, m in zip(shape, array.shape, strict=True)
        ):
            wanted = "x".join("n" if n is None else str(n) for n in shape)
            raise damaged(f"{owner}/{name}", f"has the shape {'x'.join(map(str, array.shape))}, not {wanted}")
        kind = np.integer if name in whole else np.floating
        if not np.issubdtype(array.dtype, kind) or not array.size or not np.isfinite(array).all():
            raise damaged(f"{owner}/{name}", "is empty, not finite, or of another type")
    return {name: kept[name] for name in shapes}


def damaged(name: str, fault: str) -> UserError:
    """Return the error for an array that does not suit the run."""
    return UserError(f"baselines.safetensors: {name} {fault}; resume=RUN of its own run writes it again")
