"""Sides of the images that a run trained on, from its own files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.inference.loaded import LoadedRun

USUAL = {2: 64, 3: 32}
"""Sides of made-up images where training images were of many sizes, by dimensions."""


def training_sides(loaded: LoadedRun) -> tuple[int, ...]:
    """Return the sides of the images, or patches, that the networks were trained on.

    Where images of any sides were, these are of a usual size.

    Raises:
        UserError: The networks take one size only, and the run does not say which.
    """
    dims = loaded.preprocessing.spatial_dims
    network = loaded.cfg.model.to_plain()["generator"]
    places = (
        loaded.cfg.data.extra.get("patch"),
        loaded.cfg.task.extra.get("window"),
        network.get("size"),
        loaded.preprocessing.size,
    )
    for given in places:
        sides = [given] * dims if isinstance(given, int) else given
        if isinstance(sides, Sequence) and len(sides) >= dims and None not in sides[:dims]:
            return tuple(int(side) for side in sides[:dims] if side is not None)
    if loaded.task.one_size:
        raise UserError(
            f"run={loaded.path}: does not say of which size its images were; train it with data.size, or "
            "export format=safetensors"
        )
    return (USUAL[dims],) * dims
