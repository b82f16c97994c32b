"""Content of baselines.safetensors, the fitted baselines of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes
from ganatomy.runs.integrity.checksums import Damaged

if TYPE_CHECKING:
    import numpy as np

NAME = "baselines.safetensors"
LIMIT = 256 * 2**20
"""Bytes of a baseline that is kept, at most."""


def content(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of the file for arrays `<baseline>` and `<baseline>/<array>`.

    A baseline of more than `LIMIT` bytes is left out.
    """
    import numpy as np
    import safetensors.numpy

    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        sizes[owner(name)] = sizes.get(owner(name), 0) + array.nbytes
    kept = {name: np.asarray(v, order="C") for name, v in arrays.items() if sizes[owner(name)] <= LIMIT}
    return bytes(safetensors.numpy.save(kept))


def owner(name: str) -> str:
    """Return the baseline of an array: `pca` of `pca/axes`."""
    return name.partition("/")[0]


def read(run: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a run's file; None if it has none.

    Raises:
        UserError: The file is not as the run wrote it.
    """
    import safetensors
    import safetensors.numpy

    try:
        found = read_bytes(run, NAME)
        return None if found is None else dict(safetensors.numpy.load(found))
    except (Damaged, safetensors.SafetensorError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:160]
        raise UserError(f"run: {line}; resume={run} writes it again") from error
