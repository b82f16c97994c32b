"""What a tracker may be given beside the numbers of a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger


class Tracker(Logger):
    """Logger that may also show pictures, warnings and texts, and keep files; by itself it ignores them."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration has its own file, and the library was given it when it began."""

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        """Show RGB pictures [H, W, 3], uint8, by name: all of a step in one call."""

    def alert(self, title: str, text: str) -> None:
        """Show a warning."""

    def summarise(self, values: Mapping[str, str]) -> None:
        """Add values to what is shown of the whole run."""

    def keep(self, files: Sequence[Path], data_hash: str) -> None:
        """Keep the files of a finished run, and the hash of the data that it was trained on."""

    def close(self, exit_code: int) -> None:
        """End the run; an exit code other than 0 says that it failed."""


def flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values by dotted keys.

    Example:
        >>> flat({"a": {"b": 1}, "c": [2]})
        {'a.b': 1, 'c': [2]}
    """
    found: dict[str, Any] = {}
    for key, value in plain.items():
        nested = isinstance(value, Mapping) and value
        found |= flat(value, f"{before}{key}.") if nested else {f"{before}{key}": value}
    return found
